"""Kubeconfig, or the pod's own account → the API server and who speaks to it."""

import logging
from pathlib import Path

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.connection_errors import kubeconfig_reason
from otterize_pcap.errors import ClusterError

# What the official client raises for a kubeconfig of another form, which it takes on trust.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def connect(kubeconfig: Path | None, context: str | None) -> Cluster:
    """Find the API server: an explicit or default kubeconfig, else the pod's own account.

    Raises:
        ClusterError: There is no usable configuration.
    """
    import yaml  # noqa: PLC0415
    from kubernetes import client, config  # noqa: PLC0415

    configuration = client.Configuration()
    name, namespace = "in-cluster", "default"
    try:
        file = None if kubeconfig is None else str(kubeconfig)
        config.load_kube_config(file, context, client_configuration=configuration)
        contexts, active = config.list_kube_config_contexts(file)
        chosen = next((c for c in contexts if c["name"] == context), active)
        name = str(chosen["name"])
        namespace = str(chosen["context"].get("namespace") or "default")
    except (config.ConfigException, yaml.YAMLError, OSError, *MALFORMED) as error:
        malformed = not isinstance(error, config.ConfigException | OSError)
        if kubeconfig is not None or context is not None or malformed:
            reason = kubeconfig_reason(kubeconfig, context, error)
            message = f"kubeconfig: {reason}; check --kubeconfig and --context"
            raise ClusterError(message) from error
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            message = "no kubeconfig found and not in a pod; give --kubeconfig FILE"
            raise ClusterError(message) from error
        if IN_CLUSTER_NAMESPACE.exists():
            namespace = IN_CLUSTER_NAMESPACE.read_text().strip()
    # Retries are ours to tell of, or not.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # Ten watches, several pulls and the polling share the pool.
    configuration.connection_pool_maxsize = 32
    return Cluster(client.ApiClient(configuration), name, namespace)
