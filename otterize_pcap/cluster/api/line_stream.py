"""A watch: an endless answer of one JSON document a line."""

from collections.abc import Iterator
from typing import Any

from otterize_pcap.cluster.api.connection_errors import connection_reason
from otterize_pcap.cluster.api.refusals import ApiUnreachableError


class LineStream:
    """The lines of an endless answer; `close` ends a read that waits in another thread."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 - urllib3's response is untyped here
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line as it comes.

        Raises:
            ApiUnreachableError: The connection broke.
        """
        import urllib3  # noqa: PLC0415

        rest = b""
        try:
            for chunk in self._response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            message = f"watch broke off: {connection_reason(error)}"
            raise ApiUnreachableError(message) from error
        finally:
            self._response.close()

    def close(self) -> None:
        """End the stream."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, AttributeError):
            # Already closed, or urllib3 before 2.3: the reader's own time limit ends it.
            return
