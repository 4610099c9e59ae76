"""`otterize netpol check`: what it prints in each format, its exit codes and its gates."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from otterize_pcap.render.netpol_json import policy_check_schema
from tests.conftest import FIXTURES, GOLDEN, Otterize

TWO_NODES, POLICIES = FIXTURES / "two-nodes", GOLDEN / "netpol" / "policies.yaml"
ALLOW_ALL = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: app}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}
"""


@pytest.mark.parametrize("form", ["text", "json", "markdown", "junit", "sarif", "github"])
def test_formats(form: str, otterize: Otterize, golden: Callable[[str, str], None]) -> None:
    """Every format, whole, with paths as a repository has them."""
    result = otterize("netpol", "check", POLICIES, TWO_NODES, "--unused", "-q", "--format", form)
    assert (result.returncode, result.stderr) == (1, "")
    shown = result.stdout.replace(f"{GOLDEN}/", "").replace(f"{FIXTURES}/", "")
    golden(f"netpol/check.{form}", shown)
    if form == "json":
        Draft202012Validator(policy_check_schema()).validate(json.loads(result.stdout))


@pytest.fixture
def allowing(tmp_path: Path) -> Path:
    """A policy that allows everything."""
    path = tmp_path / "all.yaml"
    path.write_text(ALLOW_ALL)
    return path


def test_all_is_allowed(otterize: Otterize, allowing: Path) -> None:
    """Exit 0, and how many calls."""
    result = otterize("netpol", "check", allowing, TWO_NODES, "-q")
    assert (result.returncode, result.stdout) == (0, "All observed calls are allowed (5).\n")


def test_policies_on_stdin_and_in_directories(otterize: Otterize, allowing: Path) -> None:
    """A rendered stream and a folder beside each other; what is no policy is counted."""
    (allowing.parent / "values.yaml").write_text("a: 1\n")
    stream = POLICIES.read_bytes()
    result = otterize("netpol", "check", "-", allowing.parent, TWO_NODES, stdin=stream)
    assert result.returncode == 1
    assert result.stderr.splitlines()[:1] == [
        "note: left out, since they are no network policies: 1 Service, 1 without a kind"
    ]
    assert "All observed calls are allowed (5)." in result.stdout
    assert "-:40: NetworkPolicy app/metrics: `from: []` allows everybody" in result.stdout


def test_policies_that_deny_nothing_because_they_touch_nothing(
    otterize: Otterize, allowing: Path
) -> None:
    """Exit 6: no call that was observed shows anything of them."""
    allowing.write_text(ALLOW_ALL.replace("namespace: app", "namespace: other"))
    result = otterize("netpol", "check", allowing, TWO_NODES, "-q")
    assert result.returncode == 6
    assert result.stderr == (
        "otterize: the check proves nothing: no observed call reaches or leaves a pod "
        "that these policies isolate; --allow-empty accepts that\n"
    )
    accepted = otterize("netpol", "check", allowing, TWO_NODES, "-q", "--allow-empty")
    assert accepted.returncode == 0
    junit = otterize("netpol", "check", allowing, TWO_NODES, "-q", "--format", "junit")
    assert '<failure type="coverage"' in junit.stdout


def test_thresholds(otterize: Otterize, allowing: Path) -> None:
    """As `check` has them."""
    result = otterize("netpol", "check", allowing, TWO_NODES, "-q", "--require-node", "node-c")
    assert (result.returncode, result.stderr) == (6, "otterize: node node-c was not captured\n")


def test_exit_zero(otterize: Otterize) -> None:
    """For those who only look."""
    assert otterize("netpol", "check", POLICIES, TWO_NODES, "-q", "--exit-zero").returncode == 0


def test_a_broken_policy_fails(otterize: Otterize, allowing: Path) -> None:
    """What the API server would refuse protects nobody."""
    allowing.write_text(f"{ALLOW_ALL}---\n{ALLOW_ALL.replace('all', 'b').replace('Ingress', 'I')}")
    result = otterize("netpol", "check", allowing, TWO_NODES, "-q")
    assert result.returncode == 1
    assert "spec.policyTypes[0]: 'I' is neither Ingress nor Egress" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server", "a.b"], "--server means nothing to a check of policies"),
        (["--exclude-labels", "a=b"], "--exclude-labels means nothing to a check of policies"),
    ],
)
def test_options_that_mean_nothing(otterize: Otterize, words: list[str], said: str) -> None:
    """They are usage errors."""
    result = otterize("netpol", "check", POLICIES, TWO_NODES, *words)
    assert result.returncode == 2
    assert said in result.stderr


def test_without_any_policy(otterize: Otterize, tmp_path: Path) -> None:
    """Neither a file nor the snapshot has one; a path that is not there is said to be so."""
    result = otterize("netpol", "check", TWO_NODES)
    assert result.returncode == 6
    assert "no policy was given, and the snapshot holds none" in result.stderr
    (tmp_path / "d.yaml").write_text("kind: Deployment\n")
    result = otterize("netpol", "check", tmp_path / "d.yaml", TWO_NODES)
    assert (result.returncode, result.stderr) == (
        3,
        f"otterize: {tmp_path}/d.yaml: no network policies (found 1 Deployment)\n",
    )
    assert otterize("netpol", "check", "nowhere.yaml", TWO_NODES).returncode == 3


def test_policies_that_the_snapshot_holds(
    otterize: Otterize, tmp_path: Path, allowing: Path
) -> None:
    """They are checked where none are given, or with --recorded; files take their place by name."""
    snapshot = json.loads((TWO_NODES / "snapshot.json").read_text())
    deny = {"podSelector": {"matchLabels": {"app": "ledger"}}, "policyTypes": ["Ingress"]}
    for name in ("all", "deny"):
        meta = {"name": name, "namespace": "app", "uid": name}
        item = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta}
        snapshot["items"].append({**item, "spec": deny})
    known = tmp_path / "known.json"
    known.write_text(json.dumps(snapshot))
    capture = ("--snapshot", known, *sorted((TWO_NODES / "pcap").glob("*.pcap")))
    alone = otterize("netpol", "check", *capture, "-q")
    assert alone.returncode == 1
    assert (
        "no ingress rule of NetworkPolicy app/all, NetworkPolicy app/deny allow it" in alone.stdout
    )
    given = otterize("netpol", "check", allowing, *capture)
    assert given.returncode == 0
    assert (
        "note: the snapshot holds 1 other policy; --recorded adds what it holds\n" in given.stderr
    )
    both = otterize("netpol", "check", allowing, *capture, "--recorded", "-q")
    assert (both.returncode, both.stdout) == (0, "All observed calls are allowed (5).\n")


def test_only_one_namespace_is_reported(otterize: Otterize) -> None:
    """-n says what is reported, of policies and of calls."""
    result = otterize("netpol", "check", POLICIES, TWO_NODES, "-n", "other", "--allow-empty", "-q")
    assert (result.returncode, result.stdout) == (0, "No observed call was there to check.\n")
    excluded = otterize(
        "netpol", "check", POLICIES, TWO_NODES, "-q", "--exclude-services", "ledger"
    )
    assert "ledger.app" not in excluded.stdout


OTHER_KINDS = GOLDEN / "netpol" / "other-kinds.yaml"


def test_rules_that_deny_are_named_with_their_lines(otterize: Otterize) -> None:
    """For annotations and for programs: the rule's own line, not its policy's."""
    result = otterize("netpol", "check", OTHER_KINDS, TWO_NODES, "-q", "--format", "github")
    assert [line.split(",title=")[0] for line in result.stdout.splitlines()] == [
        f"::error file={OTHER_KINDS},line=61",
        f"::error file={OTHER_KINDS},line=22",
        f"::warning file={OTHER_KINDS},line=48",
        (
            "::notice title=A call is allowed by rules of layer 7%2C which may deny some of it::"
            "gateway.app calls orders.app, and rules of layer 7 may deny some of that "
            "(TCP 8080; HTTP rules may deny some of what is asked)"
        ),
    ]
    result = otterize("netpol", "check", OTHER_KINDS, TWO_NODES, "-q", "--format", "json")
    document = json.loads(result.stdout)
    Draft202012Validator(policy_check_schema()).validate(document)
    denying = [
        (entry["policy"]["kind"], entry["policy"]["line"], entry["rule"])
        for call in document["denied"]
        for side in call["sides"]
        for entry in side.get("denying", ())
    ]
    assert denying == [("AdminNetworkPolicy", 61, 0), ("CiliumNetworkPolicy", 22, 2)]
    assert [call["remedies"] for call in document["denied"] if "remedies" in call] == []


def test_explain_says_which_rules_deny(otterize: Otterize) -> None:
    """Beside those that allow, which do not count then."""
    asked = ("report", "ledger", TWO_NODES, "--policies", OTHER_KINDS, "--most", "0", "-q")
    said = otterize("explain", *asked).stdout
    for line in (
        "      does not allow  ingress rule 1: from pods with app=orders, TCP 5432",
        "      allows  ingress rule 2: from entity cluster, any port",
        "      denies  ingressDeny rule 1: from pods with app=report, any port",
    ):
        assert f"\n{line} ({OTHER_KINDS}:" in said


def test_what_nobody_can_judge_is_said_of_the_rule(otterize: Otterize, tmp_path: Path) -> None:
    """A rule that asks for authentication is listed with that."""
    text = OTHER_KINDS.read_text().split("---\n")[0]
    text = text.replace(
        "    - fromEntities:", "    - authentication: {mode: required}\n      fromEntities:"
    )
    policies = tmp_path / "policies.yaml"
    policies.write_text(text.partition("  ingressDeny:")[0])
    result = otterize("netpol", "check", policies, TWO_NODES, "-q", "--unused")
    reason = "a rule asks for authentication, which packets do not show"
    assert f"report.app calls:\n    - ledger.app (TCP 5432)\n        {reason}\n" in result.stdout
    assert f"ingress rule 2: from entity cluster, any port ({reason})" in result.stdout
