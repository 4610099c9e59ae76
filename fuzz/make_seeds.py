"""Write fuzz/seeds/: the frames of the tests, in each form that `target` knows."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "fuzz")]

from target import LINK_TYPES  # noqa: E402 - found by the path set above
from tests.test_fastpath import SEEDS  # noqa: E402


def main() -> None:
    """One seed a frame, and one with all frames of a link type."""
    out = ROOT / "fuzz" / "seeds"
    for link_type, frames in SEEDS.items():
        link = LINK_TYPES.index(link_type)
        parts = [bytes([len(frame)]) + frame for frame in frames]
        for number, part in enumerate(parts):
            (out / f"frame-{link_type}-{number}").write_bytes(bytes([2, link]) + part)
        (out / f"frames-{link_type}").write_bytes(bytes([2, link]) + b"".join(parts))
        (out / f"blocks-{link_type}").write_bytes(bytes([3, link]) + b"".join(parts))


if __name__ == "__main__":
    main()
