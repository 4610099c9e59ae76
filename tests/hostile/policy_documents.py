"""Policies of Cilium and of administrators with every field that is read, as YAML streams."""

import yaml

CILIUM = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: orders, namespace: app, labels: {team: a}}
specs:
- description: all that there is
  endpointSelector:
    matchLabels: {'k8s:app': orders}
    matchExpressions: [{key: app, operator: In, values: [orders, ledger]}]
  enableDefaultDeny: {ingress: true, egress: false}
  ingress:
  - fromEndpoints:
    - matchLabels: {'k8s:io.kubernetes.pod.namespace': app, app: gateway}
    - matchExpressions:
      - {key: 'k8s:io.cilium.k8s.namespace.labels.team', operator: NotIn, values: [a]}
      - {key: io.cilium.k8s.policy.serviceaccount, operator: Exists}
    toPorts:
    - ports: [{port: '8080', endPort: 8090, protocol: TCP}, {port: http, protocol: TCP}]
      rules: {http: [{method: GET, path: /}]}
    - ports: [{port: '0', protocol: ANY}]
      serverNames: [example.com]
    authentication: {mode: required}
  - fromCIDRSet:
    - {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    - {cidrGroupRef: group}
    - {cidrGroupSelector: {matchLabels: {a: b}}}
  - fromRequires: [{matchLabels: {env: prod}}]
  - fromEntities: [world, cluster, host, remote-node, kube-apiserver]
    icmps: [{fields: [{type: 8, family: IPv4}]}]
  - {fromGroups: [{aws: {}}]}
  - {fromNodes: [{matchLabels: {zone: a}}]}
  - {}
  ingressDeny:
  - fromCIDR: [203.0.113.0/24, 2001:db8::/32, 198.51.100.7]
    toPorts: [{ports: [{port: '22', protocol: TCP}]}]
  egress:
  - toServices:
    - k8sService: {serviceName: ledger, namespace: app}
    - k8sServiceSelector: {selector: {matchLabels: {app: ledger}}, namespace: app}
  - toFQDNs: [{matchName: example.com}, {matchPattern: '*.example.com'}, {matchPattern: '**.org'}]
    toPorts: [{ports: [{port: '443', protocol: TCP}], listener: {name: l}}]
  - toEndpoints: [{}]
    toPorts:
    - ports: [{port: '53', protocol: ANY}]
      rules: {dns: [{matchPattern: '*'}]}
  egressDeny:
  - toEntities: [all]
    toPorts: [{ports: [{port: '25'}]}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: hosts}
spec:
  nodeSelector: {matchLabels: {type: worker}}
  ingress: [{fromEntities: [cluster]}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: everybody}
spec:
  endpointSelector: {}
  ingress: [{fromEndpoints: [{}]}]
  egress: [{toEntities: [cluster]}]
"""
ADMIN = """\
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: admin}
spec:
  priority: 7
  subject:
    pods:
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: app}}
      podSelector: {matchExpressions: [{key: app, operator: In, values: [orders, gateway]}]}
  ingress:
  - name: first
    action: Pass
    from: [{namespaces: {matchLabels: {team: a}}}, {pods: {namespaceSelector: {}, podSelector: {}}}]
    ports:
    - portNumber: {protocol: TCP, port: 8080}
    - portRange: {protocol: UDP, start: 1, end: 9000}
    - namedPort: http
  egress:
  - {action: Allow, to: [{networks: [10.0.0.0/8, 'fd00::/8']}]}
  - {action: Deny, to: [{nodes: {matchLabels: {zone: a}}}]}
  - {action: Allow, to: [{domainNames: ['*.example.com']}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
  egress: [{action: Allow, to: [{namespaces: {}}]}]
"""


def as_list(text: str) -> dict[str, object]:
    """A stream as a List of its objects, as `kubectl get -o json` prints it."""
    return {"apiVersion": "v1", "kind": "List", "items": list(yaml.safe_load_all(text))}
