"""Every failure a user can meet, as one tree; the CLI catches the root once.

    OtterizeError
    ├─ UsageError                 options that contradict each other            exit 2
    ├─ InputError                 an input file could not be used               exit 3
    │  ├─ CaptureError            a capture file or directory
    │  │  ├─ UnknownCaptureFormat
    │  │  ├─ UnsupportedLinkType
    │  │  ├─ SeveralCaptures
    │  │  └─ TooManyConnections
    │  ├─ StoreError              an object by URL, or the store that it is in
    │  ├─ SnapshotError           a snapshot file or one of its objects
    │  ├─ MismatchError           a capture and a snapshot of two clusters
    │  ├─ GraphFormatError        ClientIntents or graph JSON
    │  └─ PolicyError             a file of NetworkPolicies
    ├─ ClusterError               the API server refused or a Job failed        exit 4
    ├─ PartialCaptureError        some nodes, or the clean-up, are missing      exit 5
    └─ CoverageError              --strict or a coverage threshold was not met  exit 6

A message says where, what, and what to do next, on one line.
"""

from typing import ClassVar


class OtterizeError(Exception):
    """Root of all errors; `exit_code` is the process status the CLI ends with."""

    exit_code: ClassVar[int] = 3


class UsageError(OtterizeError):
    """The options or arguments contradict each other."""

    exit_code = 2


class InputError(OtterizeError):
    """An input could not be read or is not what it claims to be."""


class CaptureError(InputError):
    """A capture file or capture directory could not be used."""


class UnknownCaptureFormat(CaptureError):  # noqa: N818 - reads as what was found, as in `except`
    """The first bytes are of no capture format we know."""


class UnsupportedLinkType(CaptureError):  # noqa: N818
    """The capture's link type is known to libpcap but not decoded here."""


class SeveralCaptures(CaptureError):  # noqa: N818
    """A stream is a tar archive of more captures than one."""


class TooManyConnections(CaptureError):  # noqa: N818
    """A capture holds more connections than there is to be room for."""


class StoreError(InputError):
    """An object that a URL names could not be fetched; no capture is read without a part of it."""


class SnapshotError(InputError):
    """A snapshot file, or an object in it, could not be used."""


class MismatchError(InputError):
    """A capture and a snapshot do not belong together."""


class GraphFormatError(InputError):
    """A ClientIntents or graph document could not be understood."""


class PolicyError(InputError):
    """A file of NetworkPolicies could not be understood."""


class ClusterError(OtterizeError):
    """The cluster refused a request or a capture Job failed."""

    exit_code = 4


class PartialCaptureError(OtterizeError):
    """Some nodes were captured and others were not, or the Jobs could not be deleted."""

    exit_code = 5


class CoverageError(OtterizeError):
    """A coverage threshold or `--strict` was not met."""

    exit_code = 6
