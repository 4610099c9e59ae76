"""What stands on stderr after a run without being asked for (S13, S25, S63)."""

import pytest

from otterize_pcap.cli.summary import summary_lines
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import Coverage
from otterize_pcap.resolve.build_graph import HIDDEN_HALF, HIDDEN_ONE_WAY
from otterize_pcap.resolve.notes import SINGLE_POINT
from tests.conftest import FIXTURES, Otterize


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("cut off in TCP", "7 packets were cut off by the capture's snaplen before they say whose"),
        ("malformed VXLAN", "7 packets were malformed"),
        ("encrypted tunnel", "7 packets were in encrypted tunnels between nodes"),
        ("fragment without its first", "7 packets were later fragments of which the first"),
        ("link type USB_LINUX", "7 packets were of a link type that is not supported"),
        ("nested too deeply", "7 packets were nested too deeply in tunnels"),
        ("inside a tunnel that was left closed", "7 packets were inside tunnels that were left"),
        ("something new", "7 packets were left out: something new"),
    ],
)
def test_packets_that_may_be_of_calls_are_counted_without_being_asked(
    reason: str, expected: str
) -> None:
    """What could have been a call and was not counted stands in the summary without `-v`."""
    lines = summary_lines(Coverage(skipped=((reason, 7),)), verbose=False)
    assert [line for line in lines if line.startswith(f"  {expected}")], lines


@pytest.mark.parametrize("reason", ["not IP", "not IP (ARP)", "ICMP", "not TCP, UDP or SCTP"])
def test_packets_that_are_of_no_call_are_counted_when_asked(reason: str) -> None:
    """S43: what is no part of any connection is counted under `-v` only."""
    coverage = Coverage(skipped=((reason, 7),))
    assert not any(reason in line for line in summary_lines(coverage, verbose=False))
    assert f"  7 packets skipped: {reason}" in summary_lines(coverage, verbose=True)


def test_reasons_of_one_cause_are_counted_together() -> None:
    """Cut off in IP or in TCP: one line with all of them, and what to do."""
    coverage = Coverage(skipped=(("cut off in IP", 2), ("cut off in TCP", 3)))
    [line] = [line for line in summary_lines(coverage, verbose=False) if "cut off" in line]
    assert line.startswith("  5 packets ")
    assert "--snaplen" in line


def test_what_would_have_told_unresolved_connections() -> None:
    """S12, S36: what is not known has a line that says what to do, if there is anything."""
    fates = (
        (Fate(FateKind.AMBIGUOUS), 1),
        (Fate(FateKind.UNDIRECTED, "no rule tells client from server"), 2),
        (Fate(FateKind.UNRESOLVED, "no pod had the address then"), 3),
        (Fate(FateKind.UNRESOLVED, "node as client"), 4),
    )
    for notes, expected in (
        ((), ["1 ambiguous", "2 undirected"]),
        ((f"{SINGLE_POINT}: …",), ["1 ambiguous", "2 undirected", "3 no pod had the address then"]),
    ):
        lines = summary_lines(Coverage(connections=fates, notes=notes), verbose=False)
        said = [line for line in lines if line[2:3].isdigit()]
        assert [line.split(":")[0].strip() for line in said] == expected


@pytest.mark.parametrize("fate", [HIDDEN_ONE_WAY, HIDDEN_HALF], ids=str)
def test_what_to_do_where_one_direction_alone_was_recorded(fate: Fate) -> None:
    """S40: whether that was a call, the other direction would tell."""
    lines = summary_lines(Coverage(connections=((fate, 3),)), verbose=False)
    assert [line for line in lines if line.startswith(f"  3 {fate.reason}: record both")]


def test_capture_that_is_cut_off_says_so(otterize: Otterize) -> None:
    """S63: with 40 bytes a packet no call is known, and the reason is the snaplen."""
    result = otterize("intents", "list", FIXTURES / "snaplen-40")
    assert (result.returncode, result.stdout) == (0, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("No connections found. (348 packets were cut off by the capture's")
    assert "otterize capture --snaplen" in last


def test_snapshot_of_one_moment_says_that_names_can_be_wrong(otterize: Otterize) -> None:
    """S13: a snapshot taken once cannot know of addresses that changed hands."""
    result = otterize("intents", "list", FIXTURES / "snapshot-early")
    assert "single point in time" in result.stderr
    assert "names can be wrong" in result.stderr


def test_capture_of_another_cluster_is_refused(otterize: Otterize) -> None:
    """S13: one line says what does not fit, and `--force` goes on."""
    refused = otterize("intents", "list", FIXTURES / "other-snapshot")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "none of the nodes that were captured (east-1, east-2)" in refused.stderr
    assert otterize("intents", "list", FIXTURES / "other-snapshot", "--force").returncode == 0


def test_range_of_tunnel_endpoints_is_checked(otterize: Otterize) -> None:
    """S25: what is no range of addresses is a usage error."""
    result = otterize("intents", "list", FIXTURES / "two-nodes", "--tunnel-endpoints", "here")
    assert result.returncode == 2
    assert "--tunnel-endpoints here" in result.stderr


@pytest.mark.parametrize(
    ("fixture", "ends", "said"),
    [
        ("snaplen-40", ("web", "api"), "cut off by the capture's snaplen"),
        (
            "cases/tunnel-endpoint-in-podcidr/capture",
            ("a", "b"),
            "--tunnel-endpoints 10.0.0.211/32",
        ),
    ],
)
def test_explain_says_what_may_have_hidden_a_call(
    fixture: str, ends: tuple[str, str], said: str, otterize: Otterize
) -> None:
    """S25: where no connection of the two was seen, `explain` names what was not looked into."""
    result = otterize("explain", *ends, FIXTURES / fixture)
    assert said in result.stdout
