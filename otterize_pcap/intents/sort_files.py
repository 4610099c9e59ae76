"""Files as repositories have them → those with ClientIntents, and what was left out of the others.

A folder that is applied to a cluster holds intents beside kustomizations, Deployments, values and
templates; a rendered chart is one stream of all kinds. Nothing of it is dropped without a count,
and a file that cannot be parsed is left out only where it does not speak of ClientIntents.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.intents.documents import KIND
from otterize_pcap.intents.read_intents import documents_of, require_intents

EMPTY = "empty"
NOT_PARSED = "neither JSON nor YAML"
NO_KIND = "without a kind"


class NamedFile(Struct, frozen=True):
    """A file's name and content; `in_folder` where nobody named it, but a directory of it."""

    name: str
    content: bytes
    in_folder: bool = False


class SortedFiles(Struct, frozen=True):
    """`intents` are files (name, content) with ClientIntents; `left_out` counts all else by kind.

    `unparsed` are the names of files in folders that could not be parsed.
    """

    intents: tuple[tuple[str, bytes], ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    unparsed: tuple[str, ...] = ()


def sort_files(files: Iterable[NamedFile]) -> SortedFiles:
    """Tell files with ClientIntents from others.

    Raises:
        GraphFormatError: A file that was named has none; or one is broken, and was named or speaks
            of ClientIntents.
    """
    intents: list[tuple[str, bytes]] = []
    left_out: Counter[str] = Counter()
    unparsed: list[str] = []
    for file in files:
        if file.in_folder and not file.content.strip():
            left_out[EMPTY] += 1
            continue
        try:
            kinds = Counter(_kinds(file))
        except GraphFormatError:
            if not file.in_folder or KIND.encode() in file.content:
                raise
            left_out[NOT_PARSED] += 1
            unparsed.append(file.name)
            continue
        if kinds.pop(KIND, 0) or not file.in_folder:
            intents.append((file.name, file.content))
        left_out += kinds
    return SortedFiles(tuple(intents), left_out, tuple(unparsed))


def _kinds(file: NamedFile) -> Iterator[str]:
    documents = documents_of(file.content, file.name)
    if not file.in_folder:
        require_intents(documents, file.name)
    for document in documents:
        kind = document.get("kind")
        yield kind if isinstance(kind, str) and kind else NO_KIND
