"""`otterize anonymise` as people run it: keys, places, and captures in every container."""

import gzip
import hashlib
import json
import shutil
import stat
from pathlib import Path

from tests import capture_bytes as made
from tests.conftest import FIXTURES, Otterize

CAPTURE = FIXTURES / "two-nodes"
FRAME = made.ethernet(made.ipv4(made.tcp(40000, 80, made.SYN)))


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_key_makes_captures_alike(otterize: Otterize, tmp_path: Path) -> None:
    """The key is made once, for its owner only, and gives the same files again."""
    for name in ("one", "two"):
        done = otterize("anonymise", CAPTURE, "-o", name, "--key", "secret.key")
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_without_a_key_no_two_are_alike(otterize: Otterize, tmp_path: Path) -> None:
    """A key that is kept nowhere is another one at each run."""
    for name in ("one", "two"):
        assert otterize("anonymise", CAPTURE, "-o", name, "-q").stderr == ""
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert not one.keys() & two.keys() - {"manifest.json", "snapshot.json"}
    assert one["snapshot.json"] != two["snapshot.json"]


def test_what_is_written_is_for_its_owner(otterize: Otterize, tmp_path: Path) -> None:
    """Directories have mode 0700 and files 0600; the manifest has their sizes and hashes."""
    assert otterize("anonymise", CAPTURE, "-o", "out").returncode == 0
    out = tmp_path / "out"
    for path in (out, *out.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    files = [file for node in manifest["nodes"] for file in node["files"]]
    assert len(files) == 2
    for file in files:
        content = (out / file["path"]).read_bytes()
        assert len(content) == file["bytes"]
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_nothing_is_left_of_what_fails(otterize: Otterize, tmp_path: Path) -> None:
    """A snapshot that cannot be read ends it, and no part of a capture is there."""
    shutil.copytree(CAPTURE, tmp_path / "broken")
    (tmp_path / "broken" / "snapshot.json").write_text("{", encoding="utf-8")
    done = otterize("anonymise", "broken", "-o", "out")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_nothing_is_overwritten(otterize: Otterize, tmp_path: Path) -> None:
    """A directory that has something in it, or a file, is refused; an empty one is used."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    assert otterize("anonymise", CAPTURE, "-o", "full").returncode == 2
    assert otterize("anonymise", CAPTURE, "-o", "full/notes").returncode == 2
    assert otterize("anonymise", CAPTURE, "-o", "empty").returncode == 0
    assert contents(tmp_path / "full") == {"notes": b"mine"}


def test_keys_that_are_refused(otterize: Otterize, tmp_path: Path) -> None:
    """A key within what is shared, or that is no key, is a mistake: nothing is written."""
    (tmp_path / "word").write_text("hunter2\n", encoding="utf-8")
    inside = otterize("anonymise", CAPTURE, "-o", "out", "--key", "out/secret.key")
    assert (inside.returncode, "keep it elsewhere" in inside.stderr) == (2, True)
    word = otterize("anonymise", CAPTURE, "-o", "out", "--key", "word")
    assert (word.returncode, "hexadecimal" in word.stderr) == (2, True)
    away = otterize("anonymise", CAPTURE, "-o", "out", "--key", "no/such/key")
    assert (away.returncode, "no/such/key" in away.stderr) == (3, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["word"]


def test_times_are_shifted_by_whole_slots(otterize: Otterize, tmp_path: Path) -> None:
    """Packets, snapshot and manifest are earlier by the same; other shifts change the map."""
    done = otterize("anonymise", CAPTURE, "-o", "out", "--shift-times", "24h")
    assert done.returncode == 0
    before = json.loads((CAPTURE / "manifest.json").read_text(encoding="utf-8"))
    after = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert before["start"].startswith("2026-11-23T06:54:31.068475")
    assert after["start"] == "2026-11-22T06:54:31.068475Z"
    listed = otterize("intents", "list", "out")
    assert "2026-11-22T06:54:31" in listed.stderr
    assert "8 resolved" in listed.stderr
    assert otterize("anonymise", CAPTURE, "-o", "other", "--shift-times", "31s").returncode == 2


def test_a_file_in_any_container(otterize: Otterize, tmp_path: Path) -> None:
    """A compressed pcapng comes out plain, without its comments, names and secrets."""
    comment = made.option(1, b"recorded by hunter2")
    named = made.interface(options=made.option(2, b"hunter2") + made.option(3, b"hunter2"))
    packets = made.enhanced(FRAME, options=comment) + made.enhanced(b"hunter2")
    content = made.section() + made.block(10, b"hunter2 tls keys") + named + packets
    (tmp_path / "worker-1.pcapng.gz").write_bytes(gzip.compress(content))
    done = otterize("anonymise", "worker-1.pcapng.gz", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "2 packets anonymised\n  1 packet" in done.stderr
    (written,) = (tmp_path / "out" / "pcap").iterdir()
    assert b"hunter2" not in written.read_bytes()
    assert "worker" not in written.name
    shown = otterize("connections", written, "--format", "csv", "-q").stdout
    assert len(shown.splitlines()) == 2


def test_interfaces_stay_apart(otterize: Otterize, tmp_path: Path) -> None:
    """Two interfaces with two link types in one file stay two, in whatever order they come."""
    content = (
        made.section()
        + made.interface(made.SLL)
        + made.interface(made.ETHERNET)
        + made.enhanced(FRAME, index=1)
        + made.enhanced(made.cooked(FRAME[14:]), index=0)
    )
    (tmp_path / "x.pcapng").write_bytes(content)
    otterize("anonymise", "x.pcapng", "-o", "out")
    (written,) = (tmp_path / "out" / "pcap").iterdir()
    assert len(made.rows(written.read_bytes())) == len(made.rows(content)) == 2


def test_a_file_cut_off_is_said(otterize: Otterize, tmp_path: Path) -> None:
    """Damage in the middle of a file is told, and what came before it is there."""
    whole = made.pcap([FRAME, FRAME])
    broken = whole[: -len(FRAME) - 16] + b"\xff" * 40
    (tmp_path / "x.pcap").write_bytes(broken)
    done = otterize("anonymise", "x.pcap", "-o", "out")
    assert "1 packet anonymised" in done.stderr
    assert "what comes after it was not read" in done.stderr


def test_drops_are_still_known(otterize: Otterize, tmp_path: Path) -> None:
    """What the capture itself says it lost is said by what is made of it."""
    statistics = made.block(5, bytes(12) + made.option(7, (41).to_bytes(8, "little")))
    content = made.section() + made.interface() + made.enhanced(FRAME) + statistics
    (tmp_path / "x.pcapng").write_bytes(content)
    otterize("anonymise", "x.pcapng", "-o", "out")
    (written,) = (tmp_path / "out" / "pcap").iterdir()
    assert made.read(written.read_bytes()).counts.dropped == 41


def test_files_that_no_rule_reads_are_left_out(otterize: Otterize, tmp_path: Path) -> None:
    """What somebody put beside a node's files is not copied, and named."""
    shutil.copytree(CAPTURE, tmp_path / "capture")
    (tmp_path / "capture" / "node" / "node-a" / "iptables").write_text("x", encoding="utf-8")
    done = otterize("anonymise", "capture", "-o", "out")
    assert "left out: capture/node/node-a/iptables" in done.stderr
    assert not list((tmp_path / "out").rglob("iptables"))


def test_standard_input_is_refused(otterize: Otterize) -> None:
    """A capture is read twice, for its names and for its packets."""
    done = otterize("anonymise", "-", "-o", "out", stdin=made.pcap([FRAME]))
    assert (done.returncode, "save it first" in done.stderr) == (2, True)


def test_several_snapshots(otterize: Otterize, tmp_path: Path) -> None:
    """Each becomes one, in a folder that --snapshot takes."""
    order = FIXTURES / "snapshot-order"
    done = otterize(
        "anonymise", order, "-o", "out",
        "--snapshot", order / "before.json", "--snapshot", order / "after.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert otterize("intents", "list", "out", "--snapshot", "out/snapshots").stdout != ""
    assert sorted(path.name for path in (tmp_path / "out" / "snapshots").iterdir()) == [
        "1.json", "2.json",
    ]  # fmt: skip
