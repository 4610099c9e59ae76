"""What all tests share: the fixtures' folder, the command, and golden files."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from otterize_pcap.table.chunk import FAST_PATH
from tests.ready_command import ENVIRONMENT, READ_BY_RUNS, ReadyCommand

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
GOLDEN = Path(__file__).parent / "golden"

# Properties are asked of the same examples at each run, so that a change that fails has broken
# something itself; `make examples` draws new ones. How long an example takes is never judged.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", UNTIMED, derandomize=True)
settings.register_profile("new", UNTIMED)
settings.load_profile("same")

Otterize = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` rewrites the expected outputs; read the difference before committing."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/")
    parser.addoption("--compiled", choices=["any", "required", "forbidden"], default="any")


def pytest_configure(config: pytest.Config) -> None:
    """`--compiled=required` and `forbidden` end the run where the compiled part is not so."""
    wanted = config.getoption("--compiled")
    if wanted != "any" and (wanted == "required") != FAST_PATH:
        message = f"the compiled part is {wanted}, and it is {'' if FAST_PATH else 'not '}there"
        raise pytest.UsageError(message)


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Have what a file's tests leave behind not looked through again and again for garbage.

    Ten thousand tests leave 800 MB, and a test that makes many values took ten times as long.
    """
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def ready_command() -> Iterator[ReadyCommand]:
    """A process that forks for each run of the command."""
    with ReadyCommand() as ready:
        yield ready


@pytest.fixture
def otterize(tmp_path: Path, ready_command: ReadyCommand) -> Otterize:
    """Run the command as a user does, in a process of its own, from an empty directory."""

    def run(*arguments: object, stdin: bytes = b"", **environment: str) -> Result:
        if not READ_BY_RUNS.issuperset(environment):
            return run_otterize(tmp_path, arguments, stdin, environment)
        line = [str(each) for each in arguments]
        code, out, error = ready_command.run(tmp_path, line, stdin, environment)
        return Result(line, code, out.decode(), error.decode())

    return run


Result = subprocess.CompletedProcess[str]


def run_otterize(
    directory: Path, arguments: tuple[object, ...], stdin: bytes, environment: dict[str, str]
) -> Result:
    """One run of `python -m otterize_pcap` with text output."""
    done = subprocess.run(
        [sys.executable, "-m", "otterize_pcap", *map(str, arguments)],
        cwd=directory,
        input=stdin,
        capture_output=True,
        check=False,
        env={**ENVIRONMENT, **environment},
    )
    return Result(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with a file under tests/golden/, byte for byte."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
