"""What a check of policies can find: of calls, and of the policies themselves."""

from msgspec import Struct

from otterize_pcap.compare.findings import ERROR, NOTE, WARNING, Rule
from otterize_pcap.intents.places import Place
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.network_policy import NetworkPolicy

DENIED = Rule(
    "call-denied",
    ERROR,
    "A call was observed that policies deny.",
    "{client} calls {server}, which policies deny",
)
ATTEMPT_DENIED = Rule(
    "attempt-denied",
    NOTE,
    "A call came to nothing, and policies deny it.",
    "{client} tried to call {server}, which policies deny",
)
UNJUDGED = Rule(
    "call-not-judged",
    WARNING,
    "Whether policies allow a call is not known.",
    "{client} calls {server}, and whether policies allow that is not known",
)
UNUSED = Rule(
    "rule-unused",
    WARNING,
    "No observed call used what a policy allows.",
    "{client} allows what was not observed",
)
UNSEEN = Rule(
    "rule-not-seen",
    NOTE,
    "What a policy allows was not seen, and need not have been.",
    "{client} allows what was not seen, and need not have been",
)
SELECTS_NOTHING = Rule(
    "policy-selects-nothing", WARNING, "A policy selects no pod.", "{client} selects no pod"
)
NOT_SELECTED = Rule(
    "pods-not-selected", NOTE, "No policy selects a pod.", "no policy selects pods of {client}"
)
INVALID = Rule(
    "policy-invalid",
    ERROR,
    "The API server, or Cilium, refuses a policy.",
    "{client} is one that is refused",
)
UNKNOWN_FIELD = Rule(
    "policy-unknown-field",
    ERROR,
    "A policy has a field that the API has not.",
    "{client} has a field that the API has not",
)
TWICE = Rule(
    "policy-twice",
    WARNING,
    "A policy is there twice; the later one counts.",
    "{client} is there twice",
)
EMPTY_PEERS = Rule(
    "policy-empty-peers",
    WARNING,
    "An empty list of peers allows everybody.",
    "{client} allows everybody by an empty list",
)
NO_TYPE = Rule(
    "policy-rules-without-type",
    WARNING,
    "A policy's rules are of a type that it has not.",
    "{client} has rules of a type that it has not",
)
SERVICE_PORT = Rule(
    "policy-service-port",
    WARNING,
    "A rule has a Service's port in place of its target port.",
    "{client} has a Service's port in place of its target port",
)
NO_NAMESPACE = Rule(
    "policy-no-namespace",
    WARNING,
    "A rule selects no namespace that there is.",
    "{client} selects no namespace that there is",
)
NO_PEER_POD = Rule(
    "policy-no-peer-pod",
    WARNING,
    "A rule selects no pod that there is.",
    "{client} has a rule for no pod that there is",
)
NO_PORT_NAME = Rule(
    "policy-no-port-name",
    WARNING,
    "A rule names a port that no pod has.",
    "{client} names a port that no pod has",
)
WITHOUT_DNS = Rule(
    "policy-without-dns",
    WARNING,
    "Policies keep a pod from the cluster's DNS.",
    "{client} keeps pods from the cluster's DNS",
)
NODE_NOT_ALLOWED = Rule(
    "policy-without-nodes",
    NOTE,
    "What its own node sends to a pod, as probes are, passes without a rule.",
    "{client} has no rule for what a pod's own node sends",
)
DENIED_ELSEWHERE = Rule(
    "call-denied-elsewhere",
    NOTE,
    "A call that passes would be denied, were its pods on other nodes.",
    "{client} denies a call from other nodes",
)

EMPTY_LIST = Rule(
    "policy-empty-list",
    WARNING,
    "An empty list of a Cilium policy says nothing.",
    "{client} has an empty list, which says nothing",
)
UNJUDGED_FIELD = Rule(
    "policy-unjudged-field",
    WARNING,
    "A policy has a field that is not known here, so that what it does is not.",
    "{client} has a field that is not known here",
)
LEFT_OUT_LABEL = Rule(
    "policy-left-out-label",
    WARNING,
    "A rule goes by a label that Cilium knows no pod by.",
    "{client} has a rule for a label that Cilium knows no pod by",
)
FILTERED = Rule(
    "call-filtered",
    NOTE,
    "A call is allowed by rules of layer 7, which may deny some of it.",
    "{client} calls {server}, and rules of layer 7 may deny some of that",
)

POLICY_RULES = (
    DENIED,
    ATTEMPT_DENIED,
    UNJUDGED,
    UNUSED,
    UNSEEN,
    SELECTS_NOTHING,
    NOT_SELECTED,
    INVALID,
    UNKNOWN_FIELD,
    TWICE,
    EMPTY_PEERS,
    NO_TYPE,
    SERVICE_PORT,
    NO_NAMESPACE,
    NO_PEER_POD,
    NO_PORT_NAME,
    WITHOUT_DNS,
    NODE_NOT_ALLOWED,
    DENIED_ELSEWHERE,
    EMPTY_LIST,
    UNJUDGED_FIELD,
    LEFT_OUT_LABEL,
    FILTERED,
)


class PolicyName(Struct, frozen=True, order=True):
    """Which object a policy is: `kind` as kubectl takes it."""

    namespace: str
    name: str
    kind: str = "NetworkPolicy"

    def __str__(self) -> str:
        """As kubectl and error messages name objects."""
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


def name_of(policy: AnyPolicy) -> PolicyName:
    """Which object a policy is."""
    if isinstance(policy, NetworkPolicy):
        return PolicyName(policy.namespace, policy.name)
    return PolicyName(policy.namespace, policy.name, policy.kind)


class Remark(Struct, frozen=True):
    """Something to say of a policy; `place` is the line that it is about."""

    rule: Rule
    policy: PolicyName
    text: str
    place: Place | None = None
