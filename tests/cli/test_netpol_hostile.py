"""Policies of a pull request are anybody's: what a check prints of them is no command to anyone."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import FIXTURES, Otterize

TUTORIAL = FIXTURES / "tutorial-before"
HOSTILE = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: "x\\n::error::pwn\\e[31m", namespace: shop}
spec:
  podSelector: {matchLabels: {app: kafka}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: "a\\n::warning::b\\e[31m"}}}]
"""


@pytest.mark.parametrize("form", ["text", "json", "markdown", "junit", "sarif", "github"])
def test_names_in_policies_give_no_commands(tmp_path: Path, otterize: Otterize, form: str) -> None:
    """No escapes to a terminal, no workflow command of its own, and XML that can be read."""
    path = tmp_path / "p\x1b[31m.yaml"
    path.write_text(HOSTILE)
    done = otterize("netpol", "check", path, TUTORIAL, "--unused", "--format", form)
    assert done.returncode == 1
    for stream in (done.stdout, done.stderr):
        assert "\x1b" not in stream
        assert not [
            line for line in stream.splitlines() if line.startswith(("::error::", "::warning::"))
        ]
    if form == "junit":
        ET.fromstring(done.stdout)  # noqa: S314 - our own output


def test_file_of_an_earlier_export_is_said_to_isolate(tmp_path: Path, otterize: Otterize) -> None:
    """A directory that is applied again would isolate what is left out by now."""
    first = otterize("netpol", "export", TUTORIAL, "-o", tmp_path)
    assert "earlier export" not in first.stderr
    again = otterize("netpol", "export", TUTORIAL, "-o", tmp_path, "--min-captures", "2")
    said = [line for line in again.stderr.splitlines() if "earlier export" in line]
    assert len(said) == len(list(tmp_path.iterdir())) > 0
    assert said[0].startswith(f"warning: {tmp_path}/otterize-checkout.shop.yaml is of an earlier")
