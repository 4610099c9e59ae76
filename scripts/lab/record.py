"""Record lab scenarios as capture directories: `python3 scripts/lab/record.py [SCENARIO…] -o DIR`.

Needs root, `ip`, `nft`, `sysctl` and `tcpdump`. All traffic stays in network namespaces that are
removed at the end, also after a failure or an interrupt.
"""

import argparse
import importlib
import json
import pkgutil
import shutil
import signal
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import scenarios
from cluster import Lab
from nodes import Options, clean_up_after_dead_runs
from shell import LabError

_INDEX_HEAD = """# Captures for the tests
Recorded by tcpdump in network namespaces: `sudo make fixtures`, or one of them by
`sudo python3 scripts/lab/record.py NAME`. Each is a capture directory with `truth.json` beside it,
the calls that the scenario made; `scripts/lab/README.md` says what its keys mean, and each README
what happened. Names, addresses and certificates were made up for the recording.

Beside them: [cases](cases/), small inputs on which the mapper was wrong once;
[real-cluster](real-cluster/), a capture of a real Kubernetes;
[k8s-recordings](k8s-recordings/), answers of its API. `uplink/` has what the nodes' uplinks alone
recorded in each scenario.

| scenario | what happens | true edges | size |
|---|---|---|---|"""


def scenario_names() -> list[str]:
    """Every scenario, as it is named on the command line and in fixtures/."""
    return [found.name.replace("_", "-") for found in pkgutil.iter_modules(scenarios.__path__)]


def record(name: str, directory: Path, variant: int) -> None:
    """Record one scenario into `directory`, replacing what is there."""
    module = _module(name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    options: Options = getattr(module, "OPTIONS", Options())
    lab = Lab(name, directory, variant, options)
    try:
        lab.build()
        module.record(lab)
        lab.write_truth()
    finally:
        lab.close()
    if hasattr(module, "finish"):
        module.finish(directory)
    _move_uplink(directory)
    write_readme(module, name, directory, variant)


def uplink_of(directory: Path) -> Path:
    """Where the recordings of the nodes' uplinks lie: captures of their own, which nobody mixes."""
    return directory.parent / "uplink" / directory.name


def _move_uplink(directory: Path) -> None:
    uplink = uplink_of(directory)
    shutil.rmtree(uplink, ignore_errors=True)
    uplink.parent.mkdir(exist_ok=True)
    (directory / "pcap-uplink").rename(uplink)


def write_readme(module: ModuleType, name: str, directory: Path, variant: int) -> None:
    """Say beside the capture what happened in it and how to record it again."""
    option = f" --variant {variant}" if variant else ""
    text = (
        f"# {name}\n{textwrap.dedent(module.__doc__ or '').strip()}\n\n"
        f"Recorded by `python3 scripts/lab/record.py {name}{option}`; "
        f"the true edges in `truth.json` are written in "
        f"`scripts/lab/scenarios/{name.replace('-', '_')}.py`.\n"
    )
    (directory / "README.md").write_text(text)


def write_index(output: Path) -> None:
    """List what `output` holds, with what made it and how big it is."""
    lines = [_INDEX_HEAD]
    for name in scenario_names():
        directory = output / name
        if not (directory / "truth.json").exists():
            continue
        paths = (*directory.rglob("*"), *uplink_of(directory).rglob("*"))
        sizes = [path.stat().st_size for path in paths if path.is_file()]
        truth = json.loads((directory / "truth.json").read_text())
        title = (_module(name).__doc__ or "").split("\n\n")[0].replace("\n", " ").rstrip(".:")
        lines.append(
            f"| [{name}]({name}/) | {title} | {len(truth['edges'])} | {sum(sizes) // 1024} KiB |"
        )
    (output / "README.md").write_text("\n".join(lines) + "\n")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"scenarios.{name.replace('-', '_')}")


def main() -> int:
    """Record what was asked for; 0 fine, 1 a scenario failed, 2 usage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("scenario", nargs="*", help="what to record; all of them without one")
    parser.add_argument("-o", "--output", type=Path, default=Path("fixtures"), metavar="DIR")
    parser.add_argument(
        "--variant", type=int, default=0, help="other names, ports and addresses for other numbers"
    )
    parser.add_argument("--list", action="store_true", help="print the scenarios' names")
    asked = parser.parse_args()
    known = scenario_names()
    if asked.list:
        print("\n".join(known))
        return 0
    if unknown := set(asked.scenario) - set(known):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; see --list")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in clean_up_after_dead_runs():
        print(f"removed {name}, left by a run that was killed", file=sys.stderr)
    for name in asked.scenario or known:
        try:
            record(name, asked.output / name, asked.variant)
        except LabError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"recorded {asked.output / name}", file=sys.stderr)
    write_index(asked.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
