"""What several captures say of one pair, as one."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from otterize_pcap.explain.explain import NOTHING_RECORDED, SHOWN, no_workload
from otterize_pcap.explain.explanation import ExplainedVerdict, Explanation


def merge_explanations(parts: Sequence[Explanation], most: int) -> Explanation:
    """What several captures say of one pair, as one; at most so many connections, edges first."""
    if len(parts) == 1:
        return parts[0]
    fates: Counter[str] = Counter()
    for part in parts:
        fates.update(dict(part.fates))
    connections = sorted(
        (one for part in parts for one in part.connections),
        key=lambda one: (one.fate != SHOWN, one.first),
    )
    lookups = sorted((one for part in parts for one in part.lookups), key=lambda one: one.time)
    is_edge = any(part.is_edge for part in parts)
    unknown = tuple(name for name in parts[0].unknown if all(name in one.unknown for one in parts))
    spoken_of = is_edge or fates or lookups
    return Explanation(
        client=parts[0].client,
        server=parts[0].server,
        is_edge=is_edge,
        fates=tuple(sorted(fates.items())),
        connections=tuple(connections[:most]),
        hints=() if is_edge else tuple(_common_hints(parts, unknown, bool(fates))),
        looked_up=sum(part.looked_up for part in parts),
        lookups=tuple(lookups[:most]),
        unknown=() if spoken_of else unknown,
        policies=tuple(dict.fromkeys(_verdicts(parts))),
    )


def _verdicts(parts: Sequence[Explanation]) -> Iterator[ExplainedVerdict]:
    """Those on calls that were observed; where none was, those on calls that could be."""
    found = [verdict for part in parts for verdict in part.policies]
    observed = any(verdict.observed for verdict in found)
    return (verdict for verdict in found if verdict.observed == observed)


def _common_hints(
    parts: Sequence[Explanation], unknown: Collection[str], recorded: bool
) -> Iterator[str]:
    """The hints of all parts that still hold of all together, each once."""
    names = {name for part in parts for name in (part.client, part.server)} - set(unknown)
    for hint in dict.fromkeys(hint for part in parts for hint in part.hints):
        known = any(hint.partition(";")[0] == no_workload(name) for name in names)
        if not known and not (recorded and hint == NOTHING_RECORDED):
            yield hint
