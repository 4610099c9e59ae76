"""The program that reduces, for pods of the lab: this interpreter with this package.

Images have nothing of it: the interpreter and the package are bound into them, and what is copied
is a script that runs them, or with a fault in it.
"""

import sys
from pathlib import Path

import otterize_pcap
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import StartApi, pod
from tests.cluster.lab_nodes import Lab, lab_api

PACKAGE = Path(otterize_pcap.__file__).parents[1]
BOUND = (PACKAGE, Path(sys.prefix), Path(sys.base_prefix))


def program(place: Path, *, shell: str = "", python: str = "") -> Path:
    """Write a program that reduces, after a few lines of shell, and of Python in the package."""
    lines = f"import sys; from otterize_pcap.cli import main\n{python}\nsys.exit(main())"
    place.write_text(
        f"#!/bin/sh\n{shell}\n"
        f"PYTHONPATH={PACKAGE} PYTHONDONTWRITEBYTECODE=1 {sys.executable} -c '{lines}' \"$@\"\n"
        'code=$?\n[ -z "${keeper-}" ] || kill $keeper\nexit $code\n'
    )
    return place


def reducing_api(lab: Lab, start_api: StartApi, place: Path, flavour: str) -> FakeApi:
    """A fake cluster in whose images the program is not, but what it needs."""
    api = lab_api(lab, start_api, place, flavour, BOUND)
    api.add("pods", pod("caller", "10.244.1.7", "node1"))
    return api
