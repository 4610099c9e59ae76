"""Every document that we read, changed by its structure: a result or one of our errors, in time.

`OTTERIZE_MUTATIONS` says how many there are of each (`make fuzz`: 10,000) and
`OTTERIZE_FIRST_MUTATION` the seed of the first. Seeds that once found a fault are kept, and run
first. They are counted through, not drawn by Hypothesis: to draw 10,000 takes it longer than all
readers together, and a seed is as small as it gets.
"""

import os
import time
from contextlib import suppress

import pytest

from otterize_pcap.errors import OtterizeError
from tests.hostile.documents import DOCUMENTS
from tests.hostile.memory import within_memory

COUNT = int(os.environ.get("OTTERIZE_MUTATIONS", "300"))
FIRST = int(os.environ.get("OTTERIZE_FIRST_MUTATION", "0"))
KEPT = (
    *(520, 815, 884, 2190, 2963, 5565, 91310, 231531, 294723, 3556018),
    *(1795715713, 1795715833, 1795717077, 1884471968, 4124052488),
)
SECONDS = 5.0
BYTES = 64 << 20


def test_memory_is_measured() -> None:
    """What was held and given back meanwhile counts."""
    with pytest.raises(AssertionError, match="bytes more at once"), within_memory(8 << 20):
        bytearray(b"a") * (32 << 20)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_document_as_it_is_reads(kind: str) -> None:
    """What is changed below is right before."""
    document = DOCUMENTS[kind]
    document.use(document.content)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_changed_document_is_read_or_refused(kind: str) -> None:
    """No other exception leaves a reader, and none takes long or much memory."""
    document = DOCUMENTS[kind]
    was_read = 0
    for seed in (*KEPT, *range(FIRST, FIRST + COUNT)):
        changed = document.change(document.content, seed)
        begun = time.process_time()
        try:
            with within_memory(BYTES), suppress(OtterizeError):
                document.use(changed)
                was_read += 1
        except Exception as error:
            error.add_note(f"seed {seed} of {kind}")
            raise
        assert time.process_time() - begun < SECONDS, f"seed {seed} of {kind}"
    # Changes that are all refused at the door would prove nothing of what lies behind.
    assert was_read
