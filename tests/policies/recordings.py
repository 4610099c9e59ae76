"""The recorded captures whose snapshot is of the same cluster."""

from tests.conftest import FIXTURES

MISMATCHED = ("other-snapshot", "two-clusters", "two-clusters-same-names")
RECORDED = sorted(
    path.parent for path in FIXTURES.glob("*/snapshot.json") if path.parent.name not in MISMATCHED
)
