"""Connections of `generate.py` between any two addresses, as records of a pcap file."""

import struct
from collections.abc import Iterator, Sequence

from generate import START_S, Connection

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
STAMP = struct.Struct("<II")


def records(frames: Sequence[bytes], begin_us: int) -> Iterator[bytes]:
    """Frames of `generate.py`, a microsecond apart."""
    for number, frame in enumerate(frames):
        seconds, micro = divmod(begin_us + number, 1_000_000)
        yield STAMP.pack(START_S + seconds, micro) + frame


def call(index: int, client: int, server: int) -> list[bytes]:
    """The records of one connection of `generate.py`, without times, between two addresses."""
    frames = [frame for frame, _ in Connection(0, "snapped").frames]
    ends, port = (client, server), 20_000 + index % 40_000
    isn = index * 2_654_435_761 & 0xFFFFFFFF
    answer = isn ^ 0xFFFFFFFF
    made = []
    for step, frame in enumerate(frames):
        changed, back = bytearray(frame), step % 2
        struct.pack_into(">II", changed, 8 + 26, ends[back], ends[1 - back])
        struct.pack_into(">H", changed, 8 + (36 if back else 34), port)
        sent = (answer, isn + 1) if back else (isn + (step > 0), answer + 1)
        seq, ack = (number & 0xFFFFFFFF for number in sent)
        struct.pack_into(">II", changed, 8 + 38, seq, ack if step else 0)
        made.append(bytes(changed))
    return made
