"""Ask those who publish them whether our pins are what their names say.

Actions are pinned by commit beside the tag that it is (`uses: OWNER/REPO@COMMIT # v1.2.3`),
images by digest beside a tag (`REGISTRY/NAME:TAG@sha256:...`). GitHub is asked by `git ls-remote`,
registries by their API (OCI Distribution Specification 1.1, "Pulling manifests"; anonymous tokens
as in the Distribution project's "Token Authentication Specification"). Nothing is downloaded.

    python scripts/packaging/verify_pins.py

Exits 1 where a tag leads elsewhere, 2 where nobody could be asked. That an image's tag was moved to
a newer build is a note alone: a digest is meant to outlive it, as long as it is served.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
USES = re.compile(r"uses: ([\w.-]+/[\w.-]+)[\w./-]*@([0-9a-f]{40}) # (v[\w.]+)")
IMAGE = re.compile(r"\b([\w.-]+\.\w+)/([\w./-]+):([\w.-]+)@(sha256:[0-9a-f]{64})")
PLACES = (
    ".github/workflows/*.yaml",
    "docs/ci/*.yaml",
    "scripts/capture-image/Dockerfile",
    "scripts/capture-job.yaml",
)
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
HOSTS = {"docker.io": "registry-1.docker.io"}
SECONDS = 30


def pins(root: Path, pattern: re.Pattern[str]) -> list[tuple[str, ...]]:
    """What a pattern finds in the files that name pins, each once."""
    texts = (path.read_text() for place in PLACES for path in sorted(root.glob(place)))
    return sorted({found for text in texts for found in pattern.findall(text)})


def commit_of(repository: str, tag: str) -> str:
    """The commit that a tag leads to, past an annotated tag's own object; empty without one."""
    asked = ["git", "ls-remote", repository, f"refs/tags/{tag}", f"refs/tags/{tag}^{{}}"]
    said = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=SECONDS)
    lines = sorted(line.split("\t")[::-1] for line in said.stdout.splitlines())
    return lines[-1][1] if lines else ""


def digest_of(base: str, name: str, reference: str) -> str:
    """The digest of the manifest that a tag or digest leads to; empty where there is none."""
    url = f"{base}/v2/{name}/manifests/{reference}"
    try:
        return _head(url, {})
    except HTTPError as error:
        if error.code != 401:
            return _missing(error)
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', error.headers["WWW-Authenticate"]))
    query = urlencode({key: wanted[key] for key in ("service", "scope") if key in wanted})
    with urlopen(f"{wanted['realm']}?{query}", timeout=SECONDS) as answer:  # noqa: S310 - see below
        given = json.load(answer)
    token = given.get("token") or given["access_token"]
    try:
        return _head(url, {"Authorization": f"Bearer {token}"})
    except HTTPError as error:
        return _missing(error)


def _head(url: str, headers: dict[str, str]) -> str:
    # Whoever runs this names the registry; what is read is shown and never run.
    request = Request(url, method="HEAD", headers={"Accept": MANIFESTS, **headers})  # noqa: S310
    with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return str(answer.headers["Docker-Content-Digest"])


def _missing(error: HTTPError) -> str:
    if error.code == 404:
        return ""
    raise error


def checked_actions(root: Path, github: str) -> Iterator[tuple[bool, str]]:
    """Whether each action's pin is its tag's commit, and what to say of it."""
    for action, pin, tag in pins(root, USES):
        found = commit_of(f"{github}/{action}", tag)
        yield found == pin, f"{action} {tag}: {_said(pin, found)}"


def checked_images(root: Path, registry: str) -> Iterator[tuple[bool, str]]:
    """Whether each image's digest is served, and whether its tag leads there still."""
    for host, name, tag, pin in pins(root, IMAGE):
        base = registry or f"https://{HOSTS.get(host, host)}"
        served = digest_of(base, name, pin)
        moved = "" if digest_of(base, name, tag) == pin else " (the tag has moved on)"
        yield served == pin, f"{host}/{name}:{tag}: {_said(pin, served)}{moved}"


def _said(pin: str, found: str) -> str:
    return f"is {pin}" if found == pin else f"pinned as {pin}, but is {found or 'not there'}"


def main() -> int:
    """Ask for every pin, print what was said, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--github", default="https://github.com", help="where repositories are")
    parser.add_argument("--registry", default="", help="asked in place of every image's own")
    given = parser.parse_args()
    bad = 0
    try:
        for checked in (
            checked_actions(given.root, given.github),
            checked_images(given.root, given.registry),
        ):
            for is_right, line in checked:
                print("ok   " if is_right else "WRONG", line)
                bad += not is_right
    except (URLError, OSError, subprocess.SubprocessError) as error:
        print(f"could not ask: {error}", file=sys.stderr)
        return 2
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
