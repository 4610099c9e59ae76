"""The shell script in scripts/capture-job.yaml, run by real shells with a stand-in for tcpdump."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture.job import (
    JobPlan,
    fill_job,
    load_template,
    pod_of_job,
)
from otterize_pcap.cluster.capture.node_state import parse_counters
from tests.cluster.fake_kubelet import ProcessRuntime, container_of
from tests.cluster.script_runs import FAKE, Started, plan

SHELLS = [
    pytest.param(shell, id=name, marks=pytest.mark.skipif(path is None, reason=f"no {name} here"))
    for name, shell, path in (
        ("dash", "dash", shutil.which("dash")),
        ("busybox-ash", "busybox ash", shutil.which("busybox")),
        ("bash-as-sh", "bash --posix", shutil.which("bash")),
    )
]
Start = Callable[..., "Started"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the script with a behaviour of tcpdump, a plan and a shell."""
    started: list[Started] = []
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(FAKE, tools / "tcpdump")
    (tmp_path / "pods").mkdir()

    def run(
        the_plan: JobPlan, *, behaviour: str = "quiet", shell: str = "dash", path: str | None = None
    ) -> Started:
        (tools / "behaviour").write_text(behaviour)
        runtime = ProcessRuntime(tmp_path / "pods", tools, shell=shell)
        if path is not None:
            runtime = ProcessRuntime(tmp_path / "pods", Path(path), path=path, shell=shell)
        pod = pod_of_job(fill_job(load_template(), the_plan, "node1"))
        pod["metadata"]["name"] = "pod"
        started.append(Started(runtime, pod))
        return started[-1]

    yield run
    for running in started:
        running.container.kill()
        running.container.wait()


@pytest.mark.parametrize("shell", SHELLS)
def test_script_records_and_waits(start: Start, shell: str) -> None:
    """Every shell records all parts for the duration, describes them, and then waits."""
    started = start(plan(), shell=shell)

    state = started.until_ready()

    assert state.stopped == "duration"
    assert [part.name for part in state.parts] == ["calls", "acks", "first", "dns"]
    assert [part.exit_code for part in state.parts] == [0, 0, 0, 0]
    assert [file.name for file in state.pcaps] == [
        "calls.pcap",
        "acks.pcap",
        "first.pcap",
        "dns.pcap",
    ]
    assert all(file.size == 24 for file in state.pcaps)
    counters = parse_counters((started.directory / "tcpdump-stats").read_text())
    assert counters["dns"].dropped == 1
    progress = r"capture: recording \d+s bytes=96 packets=12 dropped=4\n"
    assert re.search(progress, started.container.log())
    # A `date` without %N, as busybox-static's, tells whole seconds: up to one is cut off.
    cut_off = 1 if state.ended.is_integer() and state.started.is_integer() else 0
    assert state.ended - state.started >= 1.9 - cut_off
    assert started.container.wait() == 0


@pytest.mark.parametrize(
    ("profile", "parts"),
    [("headers", ["headers", "dns"]), ("full", ["full"])],
    ids=["headers", "full"],
)
def test_other_profiles(start: Start, profile: str, parts: list[str]) -> None:
    """`headers` records DNS apart, `full` one ring."""
    state = start(plan(profile=profile, seconds=1)).until_ready()

    assert [part.name for part in state.parts] == parts


def test_stop_file_ends_the_recording(start: Start) -> None:
    """A stop file ends a long recording within seconds, and what there is stays."""
    started = start(plan(seconds=600))
    started.until_logged("capture: recording since")

    (started.directory / "stop").touch()
    state = started.until_ready()

    assert state.stopped == "asked"
    assert state.ended - state.started < 5


def test_release_ends_the_pod(start: Start) -> None:
    """After a recording the pod waits for its release, however long it may hold."""
    started = start(plan(seconds=1, hold_seconds=600))
    started.until_ready()

    (started.directory / "release").touch()

    assert started.container.wait() == 0


def test_size_limit_ends_the_recording(start: Start) -> None:
    """Reaching the size limit ends the recording early and says so."""
    state = start(plan(seconds=600), behaviour="flood").until_ready()

    assert state.stopped == "size-limit"
    assert state.ended - state.started < 10


def test_killed_tcpdump_is_told(start: Start) -> None:
    """A tcpdump that is killed ends the recording; its exit status is in the state."""
    state = start(plan(seconds=600), behaviour="die").until_ready()

    assert state.stopped == "tcpdump-ended"
    assert 137 in [part.exit_code for part in state.parts]


def test_refused_filter_fails_with_tcpdumps_words(start: Start) -> None:
    """A filter that tcpdump refuses fails the pod with what tcpdump said."""
    started = start(plan(), behaviour="refuse")

    assert started.container.wait() == 1
    assert started.container.log() == (
        "capture: tcpdump refuses the filter or interface: "
        "tcpdump: can't parse filter expression: syntax error\n"
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with what the script asks for, but neither tcpdump nor ip."""
    place = tmp_path / "bare"
    place.mkdir()
    for tool in (
        *("cat", "date", "dd", "df", "head", "ls", "mkdir", "mv", "rm", "sed", "sha256sum"),
        *("sleep", "tail", "dash"),
    ):
        found = shutil.which(tool)
        assert found is not None
        (place / tool).symlink_to(found)
    return place


def test_image_without_tcpdump_is_told(start: Start, bare: Path) -> None:
    """An image that lacks tcpdump fails the pod with what is missing and what to do."""
    started = start(plan(), shell=str(shutil.which("dash")), path=str(bare))

    assert started.container.wait() == 1
    assert "capture: the image has no tcpdump; use --image" in started.container.log()


def test_addresses_without_ip(start: Start, bare: Path) -> None:
    """S14: where the image has no `ip`, local addresses come from /proc in the same form."""
    shutil.copy(FAKE, bare / "tcpdump")
    (bare / "behaviour").write_text("quiet")
    started = start(plan(seconds=1), shell=str(shutil.which("dash")), path=str(bare))

    started.until_ready()

    addresses = (started.directory / "addresses").read_text()
    assert "0: unknown    inet 127.0.0.1/32 scope host\n" in addresses
    assert is_one_per_line(addresses)


def is_one_per_line(text: str) -> bool:
    """Whether every line reads like one of `ip -o addr`."""
    form = re.compile(r"\d+: \S+    inet6? [0-9a-f.:]+/\d+( scope host)?")
    return all(form.fullmatch(line) for line in text.splitlines())


def test_full_disk_is_told(start: Start, tmp_path: Path) -> None:
    """A node whose disk is nearly full is left alone, with the figures."""
    df = tmp_path / "tools" / "df"
    df.write_text(
        "#!/bin/sh\necho fs 1K-blocks used free\necho /dev/x 1000000 950000 50000 95% /\n"
    )
    df.chmod(0o755)

    started = start(plan())

    assert started.container.wait() == 1
    assert started.container.log() == (
        "capture: the node has 50000 KiB of disk free of 1000000, and 101024 are needed; "
        "lower --max-size\n"
    )


def test_filter_is_never_shell_text(start: Start, tmp_path: Path) -> None:
    """A filter full of shell and Kubernetes syntax reaches tcpdump letter by letter."""
    canary = tmp_path / "canary"
    hostile = f"host $(CAPTURE_PROFILE) `touch {canary}` $(touch {canary}) \"; touch {canary} '$$x"
    started = start(plan(filter=hostile, profile="full", seconds=1))

    started.until_ready()

    assert (started.directory / "seen.full.pcap0").read_text() == hostile
    assert not canary.exists()


def test_filter_narrows_every_part(start: Start) -> None:
    """A given filter is and-ed with each part's own."""
    started = start(plan(filter="net 10.0.0.0/8", seconds=1))

    started.until_ready()

    filters = [path.read_text() for path in started.directory.glob("seen.*")]
    assert len(filters) == 4
    assert all(text.endswith(") and (net 10.0.0.0/8)") for text in filters)


def test_termination_ends_tcpdump_and_the_pod(start: Start) -> None:
    """SIGTERM, as a deleted pod gets it, ends the pod in its grace period, and its tcpdump."""
    grace_s = load_template()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    started = start(plan(seconds=600))
    started.until_logged("capture: recording since")
    began = time.monotonic()

    started.container.kill()

    assert started.container.wait() == 143
    assert time.monotonic() - began < grace_s


def test_kubernetes_leaves_the_script_alone() -> None:
    """Kubernetes' expansion of dollar signs changes nothing in the script."""
    job = fill_job(load_template(), plan(), "node1")
    _, words = container_of(pod_of_job(job))

    assert words[2] == job["spec"]["template"]["spec"]["containers"][0]["args"][0]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
def test_script_passes_shellcheck(tmp_path: Path) -> None:
    """Shellcheck finds nothing in the script as POSIX sh."""
    script = tmp_path / "script.sh"
    script.write_text(load_template()["spec"]["template"]["spec"]["containers"][0]["args"][0])

    checked = subprocess.run(
        ["shellcheck", "-s", "sh", script], capture_output=True, text=True, check=False
    )

    assert checked.stdout == ""
