"""Write dist/otterize.yaml, the krew manifest of a release, for the archive in dist/.

Usage: krew.py URL-OF-THE-REPOSITORY
"""

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIST = HERE.parents[1] / "dist"


def manifest(template: str, archive: Path, repository: str) -> str:
    """The template filled in for an archive named otterize-VERSION-linux-x86_64.tar.gz."""
    values = {
        "@VERSION@": archive.name.removeprefix("otterize-").partition("-")[0],
        "@REPOSITORY@": repository.rstrip("/"),
        "@ARCHIVE@": archive.name,
        "@SHA256@": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }
    for hole, value in values.items():
        template = template.replace(hole, value)
    return template


def main() -> None:
    """Write the manifest of the one archive that is there."""
    archives = list(DIST.glob("otterize-*-linux-x86_64.tar.gz"))
    if len(archives) != 1 or len(sys.argv) != 2:
        sys.exit("krew: give the repository's URL, with one archive in dist/: make binary")
    template = (HERE / "krew-template.yaml").read_text(encoding="utf-8")
    # The comment at its head is about the template.
    body = template.partition("\n")[2]
    (DIST / "otterize.yaml").write_text(manifest(body, archives[0], sys.argv[1]), encoding="utf-8")


if __name__ == "__main__":
    main()
