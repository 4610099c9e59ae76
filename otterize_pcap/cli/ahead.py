"""What is begun before the command line is parsed: a guess, on which no result depends."""

from collections.abc import Sequence
from pathlib import Path

from otterize_pcap.cli.processors import processors

COMPARE_FILES = frozenset(("intents", "diff", "explain", "check", "netpol", "graph", "connections"))
"""Commands that compare what is in a capture directory with its manifest."""
THREADS = "--threads"
COMPARE_OTHERWISE = ("--scheduler", "--help", "-h")
"""Workers do it, or nobody."""


def directory_to_hash(words: Sequence[str]) -> Path | None:
    """The first directory that a command line names, if a thread may hash what is in it."""
    if not words or words[0] not in COMPARE_FILES or processors() == 1:
        return None
    if any(word.partition("=")[0] in COMPARE_OTHERWISE for word in words) or _threads(words) == "1":
        return None
    directories = (path for path in map(Path, words[1:]) if path.is_dir())
    return next(directories, None)


def _threads(words: Sequence[str]) -> str:
    """What `--threads` says, whatever that is."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, separator, value = word.partition("=")
        if name == THREADS:
            return value if separator else following
    return ""
