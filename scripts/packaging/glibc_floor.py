"""Print the oldest glibc that every library under a directory can be loaded with."""

import re
import subprocess
import sys
from pathlib import Path

ELF = b"\x7fELF"


def needed_by(file: Path) -> tuple[int, ...]:
    """The newest glibc version that a library or program names among its needs."""
    done = subprocess.run(["objdump", "-p", str(file)], capture_output=True, text=True, check=True)
    names = re.findall(r"\bGLIBC_(\d[\d.]*)", done.stdout)
    return max((tuple(map(int, name.split("."))) for name in names), default=(0,))


def main() -> None:
    """Print `glibc X.Y (FILE)`."""
    files = [path for path in Path(sys.argv[1]).rglob("*") if path.is_file()]
    programs = [path for path in files if path.read_bytes()[:4] == ELF]
    newest = max(programs, key=needed_by)
    print(f"glibc {'.'.join(map(str, needed_by(newest)))} ({newest.name})")


main()
