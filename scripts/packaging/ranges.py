"""The requirements of pyproject.toml, as pip reads them from a file.

    ranges.py build      what building the package needs
    ranges.py oldest     the lower bound of every range, for building, running and testing

pyproject.toml is the only place of the numbers.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
NAME_AND_BOUND = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)(,<[0-9.]+)?")


def build_ranges() -> list[str]:
    """What `[build-system]` requires."""
    return list(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["build-system"]["requires"])


def all_ranges() -> list[str]:
    """Every requirement there is, but for the package itself with its extras."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    lines = build_ranges() + project["dependencies"] + extras
    return [line for line in lines if not line.startswith(f"{project['name']}[")]


def oldest(ranges: Iterable[str]) -> Iterator[str]:
    """Each range's lower bound as the only version.

    Raises:
        ValueError: A requirement has no lower bound, so its oldest version is not known.
    """
    for line in ranges:
        found = NAME_AND_BOUND.fullmatch(line)
        if found is None:
            message = f"pyproject.toml: {line!r} has no lower bound; write NAME>=OLDEST"
            raise ValueError(message)
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    print(*{"build": build_ranges(), "oldest": oldest(all_ranges())}[sys.argv[1]], sep="\n")
