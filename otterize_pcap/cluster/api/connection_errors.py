"""Why a connection to the API server failed, in words of ours, whichever library noticed it."""

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from otterize_pcap.system_errors import REASONS, system_reason


class FrameTooLargeError(OSError):
    """A WebSocket frame that nobody who means well sends; its argument is the announced size."""


def connection_reason(error: BaseException) -> str:
    """What went wrong, from the innermost cause that says it, with the proxy's part named."""
    import urllib3  # noqa: PLC0415 - only a failure needs it

    causes = list(_causes(error))
    said = (reason for cause in reversed(causes) if (reason := _reason(cause)) is not None)
    reason = next(said, f"the connection failed ({type(error).__name__})")
    by_proxy = any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in causes)
    return f"through the proxy: {reason}" if by_proxy else reason


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it, the innermost last; urllib3 keeps some as attributes."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        yield cause
        found.append(cause)
        kept = (getattr(cause, name, None) for name in ("reason", "original_error"))
        within = next((one for one in kept if isinstance(one, BaseException)), None)
        cause = within or cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str | None:
    """Words for one error; None where it says nothing by its type or number."""
    import urllib3  # noqa: PLC0415
    import websocket  # noqa: PLC0415

    exceptions = urllib3.exceptions
    # In this order: TLS and name errors are OSErrors whose numbers are not the system's.
    kinds: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        (FrameTooLargeError, "it announces a frame without measure"),
        ((socket.gaierror, exceptions.NameResolutionError), "its name does not resolve"),
        (ssl.SSLCertVerificationError, "its certificate is not trusted"),
        ((ssl.SSLError, exceptions.SSLError), "it does not speak TLS as asked"),
        (
            (TimeoutError, exceptions.TimeoutError, websocket.WebSocketTimeoutException),
            "no answer in time",
        ),
        (
            (
                ConnectionError,
                exceptions.ProtocolError,
                websocket.WebSocketConnectionClosedException,
            ),
            "the connection was cut",
        ),
        (websocket.WebSocketProtocolException, "the answer is no WebSocket"),
    )
    by_number = REASONS.get(error.errno or 0) if isinstance(error, OSError) else None
    if by_number and not isinstance(error, socket.gaierror | ssl.SSLError):
        return by_number
    return next((words for kind, words in kinds if isinstance(error, kind)), None)


def kubeconfig_reason(file: Path | None, context: str | None, error: Exception) -> str:
    """Why the official client would not use a kubeconfig; None stands for the default ones."""
    from kubernetes import config  # noqa: PLC0415

    default = os.environ.get("KUBECONFIG")
    name = str(file or (f"KUBECONFIG={default}" if default else "the default file"))
    if isinstance(error, OSError):
        # A file that it refers to, as often as the kubeconfig.
        return f"{error.filename or name}: {system_reason(error)}"
    if not isinstance(error, config.ConfigException):
        return f"{name} has no form of a kubeconfig"
    places = [file] if file is not None else list(map(Path, (default or "").split(os.pathsep)))
    if (file is not None or default) and not any(place.exists() for place in places):
        return f"{name}: there is no such file"
    known = _contexts(file)
    wanted = context or known[1]
    if wanted in known[0]:
        return f"{name}: context {wanted} names a cluster, user or file that is not there"
    listed = f" (it has: {', '.join(known[0])})" if known[0] else ""
    return f"{name} has no {'current context' if context is None else f'context {context}'}{listed}"


def _contexts(file: Path | None) -> tuple[list[str], str]:
    """The names of a kubeconfig's contexts, and of its current one; none where it has no form."""
    from kubernetes.config import ConfigException, kube_config  # noqa: PLC0415

    place = str(file or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    try:
        merged = kube_config.KubeConfigMerger(place).config.value
        return [str(one["name"]) for one in merged["contexts"]], str(merged["current-context"])
    except (ConfigException, OSError, AttributeError, KeyError, TypeError, ValueError):
        return [], ""
