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
