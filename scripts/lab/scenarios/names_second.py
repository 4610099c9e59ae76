"""`names-first` a day later: the same workloads, every generated part of a name is another one.

A diff of the two captures says that nothing changed, but for `adhoc-b4m9q`, a Workflow whose name
is generated: it is listed as such, and not as a new workload among others.
"""

from cluster import Lab

from scenarios.names_first import Day, call_from_all


def record(lab: Lab) -> None:
    """The second day."""
    call_from_all(lab, Day("79ff5c8d99", 29386080, 4, "b4m9q", "00002", "v0.9.5"))
