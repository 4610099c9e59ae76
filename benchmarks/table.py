"""Read one capture into its connection table: file, threads, and 0 for the reference alone."""

import sys
from pathlib import Path

from otterize_pcap.table.read import ReadOptions, read_capture


def main() -> None:
    """Read, and print counts."""
    path, threads, fast = Path(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3]))
    with path.open("rb", buffering=0) as stream:
        table = read_capture(stream, path.name, ReadOptions(threads=threads, fast=fast))
    counts = table.counts
    print(f"{counts.packets} packets, {len(table)} rows, {counts.declined} declined")


if __name__ == "__main__":
    main()
