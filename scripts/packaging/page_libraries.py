"""Fetch the JavaScript that is kept in the repository from npm again, and see that it is the same.

page-libraries.json names each package with npm's own hash of its archive, and what is kept of it
with its SHA-256. Nothing is written where a hash differs. Needs npm.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = Path(__file__).with_name("page-libraries.json")


def fetch(library: dict[str, Any], folder: Path) -> None:
    """Write the kept files of one package; `folder` gets its archive."""
    wanted = f"{library['name']}@{library['version']}"
    subprocess.run(
        ["npm", "pack", "--silent", wanted], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    (path,) = folder.glob("*.tgz")
    found = "sha512-" + b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if found != library["integrity"]:
        sys.exit(f"{wanted}: the archive is {found}, not {library['integrity']}")
    with tarfile.open(path, mode="r:gz") as archive:
        for kept in library["files"]:
            member = archive.extractfile(kept["member"])
            data = b"" if member is None else member.read()
            if hashlib.sha256(data).hexdigest() != kept["sha256"]:
                sys.exit(f"{wanted}: {kept['member']} is not what is kept")
            (ROOT / kept["path"]).write_bytes(data)
            print(kept["path"])


def main() -> None:
    """All packages."""
    for library in json.loads(LIBRARIES.read_text(encoding="utf-8")):
        with TemporaryDirectory() as folder:
            fetch(library, Path(folder))


if __name__ == "__main__":
    main()
