"""How the API server says no, and that it says nothing."""

import msgspec

from otterize_pcap.errors import ClusterError
from otterize_pcap.json_errors import BROKEN

UNAUTHORIZED = 401
#: 410: a list was too slow for its pages; it is begun again.
TRANSIENT_STATUS = frozenset({410, 429, 500, 502, 503, 504})
SAID = 500


class ApiRefusedError(ClusterError):
    """The API server answered with an error; `status` is the HTTP status, `reason` its word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed soon."""
        return self.status in TRANSIENT_STATUS


class ApiUnreachableError(ClusterError):
    """The API server did not answer."""


def refusal(status: int, reason: str, said: str, account: str) -> ApiRefusedError:
    """The error for an answer; a refused account is said as what it is, whatever was asked.

    Args:
        status: The HTTP status.
        reason: The word of the Kubernetes Status.
        said: Request and message.
        account: Server and account, and the command that says who that is.
    """
    if status == UNAUTHORIZED:
        message = f"log in again: the credentials are refused by API server {account} ({said})"
        return ApiRefusedError(status, reason, message)
    return ApiRefusedError(status, reason, said)


def status_of(body: bytes) -> tuple[str, str]:
    """Reason and message of a Kubernetes Status, or the text itself."""
    try:
        status = msgspec.json.decode(body, type=dict[str, object])
    except BROKEN:
        return "", " ".join(body.decode(errors="replace").split())[:SAID]
    return str(status.get("reason", "")), str(status.get("message", ""))
