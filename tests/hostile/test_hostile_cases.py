"""Captures of `fixtures/cases` that somebody made to hide a call, or to make one up."""

from tests.conftest import FIXTURES, Otterize

CASES = FIXTURES / "cases"


def test_tenants_service_named_as_the_cluster_dns_hides_nothing(otterize: Otterize) -> None:
    """S45: a call through a Service that is named kube-dns in a tenant's namespace is a call."""
    case = CASES / "service-named-kube-dns-hides"
    done = otterize("intents", "list", case / "x.pcap", "--snapshot", case / "s.json")
    assert done.stdout == "a calls:\n  - drop.tenant\n"


def test_answer_that_nobody_asked_for_renames_no_call(otterize: Otterize) -> None:
    """S50: a pod's unasked DNS answer does not rename another's call outside."""
    case = CASES / "dns-poison"
    done = otterize("intents", "list", case / "x.pcap", "--snapshot", case / "s.json", "--internet")
    assert done.stdout == "a calls:\n  - good.example.com\n"


def test_fragments_of_a_tunnels_packets_are_its_calls(otterize: Otterize) -> None:
    """S25: the second half of an outer packet is no fragment without its first."""
    done = otterize("connections", CASES / "outer-fragments" / "27-vxlan-outer-frag.pcap")
    assert done.stdout.count("\n") == 1
    assert "10.1.0.5:40000        -> 10.1.0.6:80           established" in done.stdout
    assert "in vxlan" in done.stdout
    assert "without its first" not in done.stderr


def test_line_of_a_dump_that_is_cut_short_is_counted(otterize: Otterize) -> None:
    """A disk that was full on the node ends a dump within a line; the capture is used."""
    case = CASES / "conntrack-cut-line"
    done = otterize("check", case, "--allow", FIXTURES / "tutorial-before")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
