"""WebSockets to the API server, with the TLS, proxy and account of the official client."""

from typing import Any
from urllib.parse import urlencode

from otterize_pcap.cluster.api.connection_errors import FrameTooLargeError, connection_reason
from otterize_pcap.cluster.api.refusals import ApiUnreachableError, refusal, status_of

#: How long a stream in use may be silent.
SILENT_S = 30.0
#: The largest frame taken. API servers and kubelets send 32 KiB; a node could announce 2^63.
MOST_FRAME = 1 << 20


def open_websocket(
    client: Any,  # noqa: ANN401 - the official client is untyped
    account: str,
    path: str,
    query: tuple[tuple[str, str], ...],
) -> Any:  # noqa: ANN401 - websocket-client is untyped
    """Open a WebSocket; `account` is as for `refusal`.

    Raises:
        ApiRefusedError: The server refused the handshake.
        ApiUnreachableError: No connection came about.
    """
    import websocket  # noqa: PLC0415 - only the commands that talk to a cluster pay for it

    configuration = client.configuration
    headers: dict[str, str] = {}
    client.update_params_for_auth(headers, [], ["BearerToken"])
    url = f"{configuration.host}{path}?{urlencode(query)}".replace("http", "ws", 1)
    try:
        opened = websocket.create_connection(
            url,
            timeout=SILENT_S,
            header=[f"{name}: {value}" for name, value in headers.items()],
            # A message in pieces is taken piece by piece: together they may be of any size.
            fire_cont_frame=True,
            subprotocols=["v5.channel.k8s.io", "v4.channel.k8s.io"],
            sslopt=_tls_options(configuration),
            **_proxy_options(configuration, url),
        )
    except websocket.WebSocketBadStatusException as error:
        reason, message = status_of(bytes(error.resp_body or b""))
        text = f"exec refused by the API server: {message or error.status_code}"
        raise refusal(error.status_code, reason, text, account) from error
    except (websocket.WebSocketException, OSError) as error:
        message = f"exec over {configuration.host} failed: {connection_reason(error)}"
        raise ApiUnreachableError(message) from error
    _bound_frames(opened)
    return opened


def _bound_frames(opened: Any) -> None:  # noqa: ANN401 - websocket-client is untyped
    """Refuse a frame by its announced length, before memory is filled with it."""
    buffer = opened.frame_buffer
    read = buffer.recv_strict

    def bounded(size: int) -> bytes:
        if size > MOST_FRAME:
            raise FrameTooLargeError(size)
        received: bytes = read(size)
        return received

    buffer.recv_strict = bounded


def _tls_options(configuration: Any) -> dict[str, Any]:  # noqa: ANN401 - the client is untyped
    import ssl  # noqa: PLC0415

    options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    if configuration.verify_ssl:
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert}
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    for ours, theirs in (
        ("certfile", configuration.cert_file),
        ("keyfile", configuration.key_file),
        ("server_hostname", configuration.tls_server_name),
    ):
        if theirs:
            options[ours] = theirs
    return {name: value for name, value in options.items() if value is not None}


def _proxy_options(configuration: Any, url: str) -> dict[str, Any]:  # noqa: ANN401 - the client is untyped
    if not configuration.proxy:
        return {}
    from kubernetes.stream.ws_client import websocket_proxycare  # noqa: PLC0415

    return dict(websocket_proxycare({}, configuration, url, None))
