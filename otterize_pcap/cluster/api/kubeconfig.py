"""Kubeconfig, or the pod's own account → the API server and who speaks to it."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.connection_errors import kubeconfig_reason
from otterize_pcap.cluster.api.waiting import Waiting
from otterize_pcap.errors import ClusterError

# What the official client raises for a kubeconfig of another form, which it takes on trust.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
REQUEST_TIMEOUT_S = 30


def connect(
    kubeconfig: Path | None,
    context: str | None,
    request_timeout_s: float = REQUEST_TIMEOUT_S,
    say: Callable[[str], None] = lambda _line: None,
) -> Cluster:
    """Find the API server: an explicit or default kubeconfig, else the pod's own account.

    Args:
        kubeconfig: The file, None for the default ones.
        context: The context, None for the file's own.
        request_timeout_s: How long the server may take to answer, with all tries.
        say: Told what is being waited for, once a silence gets long.

    Raises:
        ClusterError: There is no usable configuration.
    """
    # The client is slow to import, and a command line that is refused needs none of it.
    from kubernetes import client  # noqa: PLC0415
    from urllib3 import Retry  # noqa: PLC0415

    configuration = client.Configuration()
    name, namespace = _fill(configuration, kubeconfig, context)
    # Retries are ours to tell of, or not; this one is for kept connections that were cut meanwhile.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration.retries = Retry(total=1, connect=0, redirect=0, status=0)
    # Ten watches, several pulls and the polling share the pool.
    configuration.connection_pool_maxsize = 32
    api = client.ApiClient(configuration)
    waiting = Waiting(request_timeout_s, say)
    return Cluster(api, name, namespace, waiting, _kubectl_options(kubeconfig, context))


def _fill(configuration: Any, kubeconfig: Path | None, context: str | None) -> tuple[str, str]:  # noqa: ANN401 - the client is untyped
    """Put the server and the account into a configuration: the context's name and namespace.

    Raises:
        ClusterError: There is nothing to take them from.
    """
    # As above: `connect` has imported the client by now.
    import yaml  # noqa: PLC0415
    from kubernetes import config  # noqa: PLC0415

    name, namespace = "in-cluster", "default"
    file = None if kubeconfig is None else str(kubeconfig)
    # The client tells of a credential plugin's failure there, and goes on without credentials.
    logging.disable(logging.CRITICAL)
    try:
        config.load_kube_config(file, context, client_configuration=configuration)
        contexts, active = config.list_kube_config_contexts(file)
        chosen = next((c for c in contexts if c["name"] == context), active)
        name = str(chosen["name"])
        namespace = str(chosen["context"].get("namespace") or "default")
    except (config.ConfigException, yaml.YAMLError, OSError, *MALFORMED) as error:
        malformed = not isinstance(error, config.ConfigException | OSError)
        named = kubeconfig is not None or context is not None or os.environ.get("KUBECONFIG")
        if named or malformed:
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
    else:
        _require_credentials(file, chosen, configuration)
    finally:
        logging.disable(logging.NOTSET)
    return name, namespace


def _kubectl_options(kubeconfig: Path | None, context: str | None) -> tuple[str, ...]:
    options: tuple[str, ...] = ()
    if kubeconfig is not None:
        options += ("--kubeconfig", str(kubeconfig))
    if context is not None:
        options += ("--context", context)
    return options


def _require_credentials(file: str | None, chosen: Any, configuration: Any) -> None:  # noqa: ANN401 - the client is untyped
    """A credential plugin that failed is no anonymous user.

    Raises:
        ClusterError: It gave no token and no certificate.
    """
    from kubernetes.config import kube_config  # noqa: PLC0415

    merger = kube_config.KubeConfigMerger(file or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    user = chosen["context"].get("user")
    users = merger.config.safe_get("users") or ()
    plugin = next((u["user"].safe_get("exec") for u in users if u["name"] == user), None)
    if plugin is None or configuration.api_key or configuration.cert_file:
        return
    message = (
        f"kubeconfig: the credential plugin of user {user} gave no credentials; "
        f"see what it says: {plugin.get('command')}"
    )
    raise ClusterError(message)
