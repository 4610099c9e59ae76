"""What a release is made of: the built packages, the krew manifest, pinned versions."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from otterize_pcap.version import __version__
from tests.conftest import ROOT

PACKAGING = ROOT / "scripts" / "packaging"
DIST = ROOT / "dist"
WHEELS = sorted(DIST.glob("otterize_pcap-*.whl"))
SDISTS = sorted(DIST.glob("otterize_pcap-*.tar.gz"))
BUILT = pytest.mark.skipif(
    not os.environ.get("OTTERIZE_TEST_BUILT"), reason="of what make dist builds; it runs this"
)
TEMPLATE = ROOT / "scripts" / "capture-job.yaml"


def tracked(*patterns: str) -> set[str]:
    """Files of the package by pattern, as the repository has them."""
    package = ROOT / "otterize_pcap"
    return {str(p.relative_to(ROOT)) for pattern in patterns for p in package.rglob(pattern)}


@BUILT
def test_wheel_is_complete() -> None:
    """The wheel has every module, the Job's template itself (not a link), the page, the types."""
    with zipfile.ZipFile(WHEELS[0]) as wheel:
        names = set(wheel.namelist())
        template = wheel.read("otterize_pcap/cluster/capture/capture-job.yaml")

    assert tracked("*.py", "py.typed", "page/*", "*.pyi") <= names
    assert template == TEMPLATE.read_bytes()
    assert not {name for name in names if name.endswith((".pyx", ".pxd", ".pxi", ".c"))}


@BUILT
def test_sdist_is_complete() -> None:
    """The sdist has what the wheel is built from, and no file depends on who built it."""
    with tarfile.open(SDISTS[0]) as sdist:
        members = sdist.getmembers()
    names = {member.name.partition("/")[2] for member in members}

    assert tracked("*.py", "*.pyx", "*.pxd", "*.pxi", "*.pyi", "py.typed", "page/*") <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= names
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert len({member.mtime for member in members}) == 1


def test_krew_manifest(tmp_path: Path) -> None:
    """The manifest names the release's archive with its hash, and what to link on PATH."""
    (tmp_path / "scripts" / "packaging").mkdir(parents=True)
    (tmp_path / "dist").mkdir()
    for name in ("krew.py", "krew-template.yaml"):
        (tmp_path / "scripts" / "packaging" / name).write_text((PACKAGING / name).read_text())
    archive = tmp_path / "dist" / f"otterize-{__version__}-linux-x86_64.tar.gz"
    archive.write_bytes(b"an archive")

    subprocess.run(
        [sys.executable, tmp_path / "scripts/packaging/krew.py", "https://forge.example/o/p"],
        check=True,
    )

    text = (tmp_path / "dist" / "otterize.yaml").read_text()
    manifest = yaml.safe_load(text)
    (platform,) = manifest["spec"]["platforms"]
    assert "@" not in text
    assert manifest["metadata"]["name"] == "otterize"
    assert manifest["spec"]["version"] == f"v{__version__}"
    assert platform["uri"] == (
        f"https://forge.example/o/p/releases/download/v{__version__}/{archive.name}"
    )
    assert platform["sha256"] == hashlib.sha256(b"an archive").hexdigest()
    assert platform["files"] == [{"from": f"otterize-{__version__}-linux-x86_64/*", "to": "."}]


@pytest.mark.parametrize("path", sorted(PACKAGING.glob("*.txt")), ids=lambda path: path.name)
def test_everything_is_pinned(path: Path) -> None:
    """Each requirement that releases are built from has one version and its hashes."""
    requirements = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()).strip())
    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+ ", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_binary_pins_fit_the_ranges() -> None:
    """The binary has a version of every dependency that pyproject.toml names."""
    pins = (PACKAGING / "binary-requirements.txt").read_text()
    for name in ("dpkt", "kubernetes", "msgspec", "pyyaml", "typer", "zstandard", "lz4"):
        assert re.search(rf"^{name}(\[[\w,-]+\])?==", pins, re.MULTILINE), name


def ranges(which: str) -> list[str]:
    """What scripts/packaging/ranges.py prints."""
    script = [sys.executable, str(PACKAGING / "ranges.py"), which]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    """Each range of pyproject.toml, of building and every extra, gives its lower bound."""
    text = (ROOT / "pyproject.toml").read_text()
    stated = re.findall(r'^(?:requires = \[|    )?"([\w-]+)>=([\d.]+)', text, re.MULTILINE)
    stated += re.findall(r'= \["(zstandard|lz4)>=([\d.]+)', text)
    oldest = ranges("oldest")
    assert set(oldest) >= {f"{name}=={version}" for name, version in stated}
    assert len(oldest) == len(re.findall(r'"[\w-]+>=\d', text)) > 15


def test_everything_that_tests_run_with_is_pinned() -> None:
    """Each range, of building too, has its one version for `make test`."""
    pins = (PACKAGING / "test-requirements.txt").read_text()
    for line in ranges("oldest"):
        name = re.escape(line.partition("==")[0].lower())
        assert re.search(rf"^{name}(\[[\w,-]+\])?==", pins, re.MULTILINE), name
