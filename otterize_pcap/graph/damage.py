"""What `--strict` does not accept of a capture."""

from otterize_pcap.graph.service_graph import Coverage

MALFORMED = "malformed"
DAMAGED = "--strict: damaged files or malformed packets; run with -v to see which"


def is_damaged(coverage: Coverage) -> bool:
    """Whether `--strict` fails: a file was cut off or damaged, or packets were malformed."""
    return any(file.truncated for file in coverage.files) or any(
        reason.startswith(MALFORMED) for reason, _ in coverage.skipped
    )
