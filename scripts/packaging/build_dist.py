"""Build the sdist and this machine's wheel into dist/, twice, and compare: they must be equal.

Everything that goes into a file's bytes is fixed: the tools (build-tools.txt, with hashes), the
times (SOURCE_DATE_EPOCH, by default that of the last commit), the order and owners of files in the
archive, and the paths that a compiler notes. Only files that git knows are packed.
"""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ROOT / "build" / "dist-tools"
DIST = ROOT / "dist"


def run(*words: object, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program and return what it printed; end with its words where it fails."""
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"build_dist: {' '.join(map(str, words))}\n{done.stdout}")
    return done.stdout


def build_tools() -> Path:
    """A Python with the pinned build tools."""
    python = TOOLS / "bin" / "python"
    pins = HERE / "build-tools.txt"
    stamp = TOOLS / hashlib.sha256(pins.read_bytes()).hexdigest()
    if not stamp.exists():
        shutil.rmtree(TOOLS, ignore_errors=True)
        run(sys.executable, "-m", "venv", TOOLS)
        run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pins)
        stamp.touch()
    return python


def copy_sources(place: Path) -> None:
    """Copy what git knows, as it is now; links stay links."""
    for name in run("git", "ls-files", "-z").split("\0"):
        source = ROOT / name
        if name and (source.exists() or source.is_symlink()):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place / name, follow_symlinks=False)


def repack(archive: Path, when: int) -> None:
    """Write an sdist again with fixed times, owners, modes and order."""
    packed = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=packed, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda entry: entry.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = when, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    archive.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=when))


def build(place: Path, epoch: str) -> list[Path]:
    """Build the sdist, and the wheel from nothing but it, under a directory."""
    python, out, sources = build_tools(), place / "out", place / "sources"
    copy_sources(sources)
    command = (python, "-m", "build", "--no-isolation", "--outdir", out)
    run(*command, "--sdist", sources, SOURCE_DATE_EPOCH=epoch)
    (sdist,) = out.glob("*.tar.gz")
    repack(sdist, int(epoch))
    with tarfile.open(sdist) as packed:
        packed.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    flags = f"-g0 -ffile-prefix-map={unpacked}=."
    run(*command, "--wheel", unpacked, SOURCE_DATE_EPOCH=epoch, CFLAGS=flags)
    return sorted(out.iterdir())


def main() -> None:
    """Build twice, compare, and keep one."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        files = build(Path(first), epoch)
        for file, again in zip(files, build(Path(second), epoch), strict=True):
            if file.name != again.name or file.read_bytes() != again.read_bytes():
                sys.exit(f"build_dist: {file.name} came out different the second time")
        DIST.mkdir(exist_ok=True)
        for old in (*DIST.glob("otterize_pcap-*.tar.gz"), *DIST.glob("otterize_pcap-*.whl")):
            old.unlink()
        for file in files:
            shutil.copy(file, DIST)
            print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}")
    print("built twice, with equal hashes")


main()
