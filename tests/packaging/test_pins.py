"""What tests and releases are installed from stays installable when newer versions come out."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parent.parent.parent / "scripts" / "packaging"
PINNED = sorted(path.name for path in PACKAGING.glob("*.txt"))
PIN = re.compile(r"^([\w.-]+)(\[[\w,.-]+\])?==", re.MULTILINE)
ASKED = re.compile(r"^([\w.-]+)\s*\[([^\]]+)\](?!.*extra ==)")


def normal(name: str) -> str:
    """A name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_with_extras(package: str) -> set[str]:
    """What an installed package asks for with an extra; nothing of one that is not installed."""
    try:
        found = requires(package) or []
    except PackageNotFoundError:
        return set()
    return {normal(match[1]) for each in found if (match := ASKED.match(each))}


@pytest.mark.parametrize("name", PINNED)
def test_what_is_asked_for_with_an_extra_is_pinned_with_it(name: str) -> None:
    """Else pip, which demands hashes, finds a newer version without a hash, and ends."""
    text = (PACKAGING / name).read_text()
    pins = {normal(package): extras for package, extras in PIN.findall(text)}
    asked = {one for package in pins for one in asked_with_extras(package)}
    assert {one for one in asked & pins.keys() if not pins[one]} == set()
