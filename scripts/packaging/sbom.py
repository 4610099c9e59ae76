"""Write dist/otterize.cdx.json: the binary's Python, JavaScript and Debian packages.

The first come from cyclonedx-py (build/python.cdx.json), the second from page-libraries.json, the
others from what `make binary` found in its root (build/binary/system-packages), each as a package
URL that scanners know.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
PYTHON_SOURCE = "python3.11"


def debian_component(name: str, version: str) -> dict[str, Any]:
    """One Debian package; Python was built from the source package of a later Debian."""
    from_source = name == PYTHON_SOURCE
    which = "arch=source&distro=bookworm" if from_source else "arch=amd64&distro=bullseye"
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?{which}"
    return {
        "bom-ref": purl,
        "name": name,
        "purl": purl,
        "type": "library",
        "version": version,
    }


def page_component(library: dict[str, Any]) -> dict[str, Any]:
    """What pages are made with, as npm names it."""
    purl = f"pkg:npm/{library['name']}@{library['version']}"
    return {
        "bom-ref": purl,
        "licenses": [{"expression": library["license"]}],
        "name": library["name"],
        "purl": purl,
        "type": "library",
        "version": library["version"],
    }


def main() -> None:
    """Join all lists."""
    bill = json.loads((ROOT / "build" / "python.cdx.json").read_text(encoding="utf-8"))
    lines = (ROOT / "build" / "binary" / "system-packages").read_text(encoding="utf-8").split("\n")
    listed = Path(__file__).with_name("page-libraries.json").read_text(encoding="utf-8")
    added = [
        *(debian_component(*line.split()) for line in lines if line),
        *(page_component(one) for one in json.loads(listed) if one["packaged"]),
    ]
    bill["components"] += added
    bill["dependencies"] += [{"ref": component["bom-ref"]} for component in added]
    text = json.dumps(bill, indent=2) + "\n"
    (ROOT / "dist" / "otterize.cdx.json").write_text(text, encoding="utf-8")


main()
