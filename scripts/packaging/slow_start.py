"""Show that an installation without the compiled path works, is slower, and says so once.

Usage: slow_start.py CAPTURE, with the Python that it is installed for.
"""

import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEADER = 24
ENOUGH = 4 << 20


def repeated(packets: bytes) -> bytes:
    """The records of a pcap file over and over, each round a second later, until it is large."""
    head, records = packets[:HEADER], packets[HEADER:]
    rounds = []
    for second in range(ENOUGH // len(records) + 1):
        at = 0
        while at < len(records):
            seconds, fraction, length, original = struct.unpack_from("<4I", records, at)
            rounds.append(struct.pack("<4I", seconds + second, fraction, length, original))
            rounds.append(records[at + 16 : at + 16 + length])
            at += 16 + length
    return head + b"".join(rounds)


def main() -> None:
    """Read a small and a large capture; compare what is said."""
    otterize = Path(sys.executable).with_name("otterize")
    capture = Path(sys.argv[1])
    try:
        import otterize_pcap.table._fastpath  # noqa: F401, PLC0415 - what must be missing

        sys.exit("the compiled path is there")
    except ImportError:
        pass
    listed = subprocess.run(
        [otterize, "intents", "list", capture], capture_output=True, text=True, check=True
    )
    if not listed.stdout.startswith("checkout calls:\n  - kafka\n") or "compiled" in listed.stderr:
        sys.exit(listed.stdout + listed.stderr)
    with tempfile.TemporaryDirectory() as place:
        large = Path(place) / "large.pcap"
        large.write_bytes(repeated(next(capture.rglob("*.pcap")).read_bytes()))
        began = time.perf_counter()
        read = subprocess.run(
            [otterize, "connections", large, "--format", "csv"],
            capture_output=True,
            text=True,
            check=True,
        )
        took = time.perf_counter() - began
    if read.stderr.count("the compiled reader was not built") != 1:
        sys.exit(f"not said once:\n{read.stderr}")
    print(f"works without the compiled path: 4 MiB in {took:.1f} s; it said once:")
    print(read.stderr)


main()
