"""The JavaScript that is kept in the repository is what npm publishes, with its licence."""

import hashlib
import json

from otterize_pcap.render.html import LIBRARY
from tests.conftest import ROOT

LIBRARIES = json.loads((ROOT / "scripts/packaging/page-libraries.json").read_text(encoding="utf-8"))


def test_kept_files_are_those_that_were_fetched() -> None:
    """None was edited, and each package's licence is beside it."""
    for library in LIBRARIES:
        kept = library["files"]
        for file in kept:
            content = (ROOT / file["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"], file["path"]
        assert any("LICENSE" in file["path"] for file in kept), library["name"]


def test_no_other_library_is_kept() -> None:
    """What the page and its tests hold minified is in the list, under the version it has."""
    listed = {file["path"] for library in LIBRARIES for file in library["files"]}
    places = ("otterize_pcap/render/page", "tests/render/page")
    found = {
        path.relative_to(ROOT).as_posix()
        for place in places
        for path in (ROOT / place).glob("*.js")
        if max(map(len, path.read_text(encoding="utf-8").splitlines()), default=0) > 1000
    }
    assert found == {path for path in listed if path.endswith(".js")}
    assert f"otterize_pcap/render/page/{LIBRARY}" in listed
    for library in LIBRARIES:
        scripts = [file["path"] for file in library["files"] if file["path"].endswith(".js")]
        assert all(library["version"] in path for path in scripts)
