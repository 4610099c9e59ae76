"""What tests and releases are installed from stays installable when newer versions come out."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

PACKAGING = Path(__file__).parent.parent.parent / "scripts" / "packaging"
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


def test_what_is_asked_for_with_an_extra_is_pinned_with_it() -> None:
    """Else pip, which demands hashes, finds a newer version without a hash, and ends.

    Of what tests run with, which is installed; `pin.sh` keeps the extras of every other file too.
    """
    text = (PACKAGING / "test-requirements.txt").read_text()
    pins = {normal(package): extras for package, extras in PIN.findall(text)}
    asked = {one for package in pins for one in asked_with_extras(package)} & pins.keys()
    assert asked != set()
    assert {one for one in asked if not pins[one]} == set()


def test_every_pin_file_keeps_extras() -> None:
    """The one command that writes them all is told to."""
    (command,) = re.findall(
        r"pip compile [^&]*?--python-version", (PACKAGING / "pin.sh").read_text()
    )
    assert "--no-strip-extras" in command
