"""Retina's tarballs: what they say of a node counts as what a capture directory saved of it.

They are made here as Retina makes them (microsoft/retina, pkg/capture): none is published.
"""

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from otterize_pcap.files.retina import read_tarballs
from tests.conftest import FIXTURES, Otterize

MIDSTREAM = FIXTURES / "midstream"
NODES = ("node-a", "node-b")
STAMP = "20261123065359UTC"


def ip_resources(saved: str) -> str:
    """`ip-resources.txt` of what `ip -o addr` and `ip route` printed."""
    links, routes = [], []
    for line in saved.splitlines():
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6"):
            local, _, length = words[3].partition("/")
            info = {"family": words[2], "local": local, "prefixlen": int(length)}
            links.append({"ifname": words[1], "addr_info": [info]})
        else:
            routes.append(line)
    return "\n".join(
        (
            "Summary:\n",
            "/usr/sbin/ip -d -j addr show(IP address configuration)",
            "\nExecute:\n",
            "/usr/sbin/ip -d -j addr show\n",
            json.dumps(links),
            "/usr/sbin/ip route show table all\n",
            *routes,
        )
    )


def tarball(folder: Path, node: str, name: str = "nightly") -> Path:
    """One node's tarball, with what `fixtures/midstream` holds of it."""
    stem = f"{name}-{node}-{STAMP}"
    saved = MIDSTREAM / "node" / node
    files = {
        f"{stem}.pcap": (MIDSTREAM / "pcap" / f"{node}.pcap").read_bytes(),
        "ip-resources.txt": ip_resources((saved / "addresses").read_text()).encode(),
        "iptables-rules.txt": b"Summary:\n",
        "proc-net/nf_conntrack": (saved / "conntrack-end").read_bytes(),
    }
    for line in (saved / "conntrack-timeouts").read_text().splitlines():
        key, _, value = line.partition(" = ")
        files[f"proc-sys-net/netfilter/{key.rpartition('.')[2]}"] = f"{value}\n".encode()
    path = folder / f"{stem}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, content in files.items():
            member = tarfile.TarInfo(inside)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def by_hand(folder: Path) -> Path:
    """The same as a capture directory without a manifest."""
    shutil.copytree(MIDSTREAM / "pcap", folder / "pcap")
    shutil.copy(MIDSTREAM / "snapshot.json", folder)
    for node in NODES:
        (folder / "node" / node).mkdir(parents=True)
        for name in ("addresses", "conntrack-end", "conntrack-timeouts"):
            shutil.copy(MIDSTREAM / "node" / node / name, folder / "node" / node)
    return folder


@pytest.mark.parametrize("as_directory", [False, True])
def test_tarballs_are_the_same_capture(
    otterize: Otterize, tmp_path: Path, as_directory: bool
) -> None:
    """Node names, conntrack's direction, addresses: one list, from tarballs or a directory."""
    tarballs = tmp_path / "retina"
    tarballs.mkdir()
    paths = [tarball(tarballs, node) for node in NODES]
    given = [tarballs] if as_directory else paths
    options = ("--format", "csv", "--snapshot", MIDSTREAM / "snapshot.json")
    found = otterize("intents", "list", *given, *options)
    expected = otterize("intents", "list", by_hand(tmp_path / "hand"), *options)
    columns = [line.split(",")[:9] for line in found.stdout.splitlines()]
    assert columns == [line.split(",")[:9] for line in expected.stdout.splitlines()]
    assert len(columns) > 1
    bare = otterize("intents", "list", *sorted((MIDSTREAM / "pcap").iterdir()), *options)
    assert len(bare.stdout.splitlines()) < len(columns)


def test_node_is_named_as_the_snapshot_names_it(tmp_path: Path) -> None:
    """The longest known name that the tarball's ends with; the name as it is where none is."""
    path = tarball(tmp_path, "node-a")
    assert dict(read_tarballs([path], ("a", "node-a", "node-b")).nodes) == {path: "node-a"}
    assert dict(read_tarballs([path], ()).nodes) == {path: "nightly-node-a"}


def test_other_archives_are_not_retinas(tmp_path: Path) -> None:
    """A tarball that lacks what `ip` said is an archive with a capture in it, and no more."""
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(MIDSTREAM / "pcap" / "node-a.pcap", f"nightly-node-a-{STAMP}.pcap")
    assert dict(read_tarballs([path, tmp_path / "missing", MIDSTREAM], ()).nodes) == {}


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_tarball_that_is_cut_off(otterize: Otterize, tmp_path: Path, kept: float) -> None:
    """What came before counts, as of any archive; no traceback."""
    path = tarball(tmp_path, "node-a")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    done = otterize("intents", "list", path, "--snapshot", MIDSTREAM / "snapshot.json")
    assert "Traceback" not in done.stderr


def test_odd_texts_of_a_tarball_cost_themselves(tmp_path: Path) -> None:
    """JSON that is none, links that are none, a range that is none."""
    path = tmp_path / f"x-n-{STAMP}.tar.gz"
    resources = b'[{"ifname": 7, "addr_info": [1, {"family": "inet"}]}, 3]\n[{\nx\n'
    files = {
        f"x-n-{STAMP}.pcap": b"",
        "ip-resources.txt": resources,
        "proc-sys-net/ipv4/ip_local_port_range": b"\xff 1",
        "proc-net/nf_conntrack": b"\0" * 100,
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    tarballs = read_tarballs([path], ("n",))
    assert tarballs.local_addresses == frozenset()
    assert set(tarballs.folders) == {"n"}


def test_capture_of_one_pod_from_a_pipe(otterize: Otterize, tmp_path: Path) -> None:
    """`kubectl sniff -o -` writes what tcpdump does: on stdin or as a file, it is a capture."""
    path = tmp_path / "checkout.pcap"
    path.write_bytes((FIXTURES / "tutorial-before" / "pcap" / "node-a.pcap").read_bytes())
    options = ("-q", "--snapshot", FIXTURES / "tutorial-before" / "snapshot.json")
    named = otterize("intents", "list", path, *options)
    piped = otterize("intents", "list", "-", *options, stdin=path.read_bytes())
    assert named.stdout == piped.stdout != ""
