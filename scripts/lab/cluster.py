"""The lab a scenario works with: nodes, workloads, Services, a recording, and the truth."""

import time
from pathlib import Path

import objects
from managed import Managed
from nodes import Options
from plan import Plan
from recorder import Recorder, write_json
from truth import VIEWS, Truth

_MULTICAST_SETTLES = 2.0  # seconds in which new interfaces repeat their group reports


class Lab(Managed):
    """One cluster in network namespaces, recorded into one capture directory."""

    def __init__(self, scenario: str, directory: Path, variant: int, options: Options) -> None:
        super().__init__(Plan(scenario, variant), options)
        self.directory, self.truth = directory, Truth()
        self.pods, self.services = [], []
        self._recorder: Recorder | None = None

    def look_from_all_sides(self, *more: str) -> None:
        """Have the truth checked in every view; said before the first edge."""
        self.truth.views = [*VIEWS, *more]

    def start_recording(self) -> None:
        """Start tcpdump on every node; what happened before is older than the capture."""
        self.program_services()
        if self.options.ipv6:
            time.sleep(_MULTICAST_SETTLES)
        namespaces = {name: node.namespace for name, node in self.nodes.items()}
        self._recorder = Recorder(self.directory, namespaces, self.options.snaplen)
        self._recorder.start()

    def stop_recording(self) -> None:
        """Stop tcpdump, and write the snapshot."""
        assert self._recorder is not None  # noqa: S101 (a scenario without a recording is a bug)
        self._recorder.stop()
        slices = [part for service in self.services for part in self.backend_objects(service)]
        snapshot = {
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {"resourceVersion": ""},
            "items": [
                *self.documents,
                *(service.document for service in self.services),
                *slices,
            ],
            "otterize": {
                "takenAt": objects.microseconds(time.time()),
                "watchStart": objects.microseconds(self._recorder.start_time),
                "watchEnd": objects.microseconds(self._recorder.end_time),
                "observed": self.observed(),
            },
        }
        write_json(self.directory / "snapshot.json", snapshot)

    def write_truth(self) -> None:
        """Write down what the scenario says happened."""
        write_json(self.directory / "truth.json", self.truth.document())

    def close(self) -> None:
        """Stop every process and remove every namespace, whatever happened before."""
        if self._recorder is not None:
            self._recorder.abort()
        super().close()
