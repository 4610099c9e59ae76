"""The lab a scenario works with: nodes, workloads, Services, a recording, and the truth."""

import copy
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
        plan = Plan(scenario, variant, options.pods4, options.pods6, options.underlay)
        super().__init__(plan, options)
        self.directory, self.truth = directory, Truth()
        self.pods, self.services = [], []
        self._recorder: Recorder | None = None
        self.aged_before_recording = 0.0  # seconds, for scenarios that build on another

    def look_from_all_sides(self, *more: str) -> None:
        """Have the truth checked in every view; said before the first edge."""
        self.truth.views = [*VIEWS, *more]

    def look_without_watch(self) -> None:
        """The same for a snapshot that no watch made."""
        self.truth.views = [view for view in VIEWS if "no-watch" not in view]

    def start_recording(self) -> None:
        """Start tcpdump on every node; what happened before is older than the capture."""
        self.program_services()
        if self.aged_before_recording:
            self.age(self.aged_before_recording)
        if self.options.ipv6:
            time.sleep(_MULTICAST_SETTLES)
        namespaces = {name: node.namespace for name, node in self.nodes.items()}
        wanted = self.options.capture_filter.format(
            pods=self.plan.pod_net(0), node=self.plan.node(0)
        )
        self._recorder = Recorder(
            self.directory, namespaces, self.options.snaplen, wanted, self.options.link_type
        )
        self._recorder.start()

    def kubectl(self) -> objects.Object:
        """What `kubectl get -o json` prints now: what there is, and nothing of what there was."""
        slices = [part for service in self.services for part in self.backend_objects(service)]
        ended = [
            id(pod.document)
            for pod in self.pods
            if pod.end is not None
            and pod.document["status"]["phase"] not in ("Succeeded", "Failed")
        ]
        living = [document for document in self.documents if id(document) not in ended]
        return copy.deepcopy(
            {
                "apiVersion": "v1",
                "kind": "List",
                "metadata": {"resourceVersion": ""},
                "items": [*living, *(service.document for service in self.services), *slices],
            }
        )

    def stop_recording(self, **snapshots: objects.Object) -> None:
        """Stop tcpdump, and write the snapshot that a watch saw, or those given, by file name."""
        assert self._recorder is not None  # noqa: S101 (a scenario without a recording is a bug)
        self._recorder.stop()
        if snapshots:
            for name, document in snapshots.items():
                write_json(self.directory / f"{name.replace('_', '-')}.json", document)
            return
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
