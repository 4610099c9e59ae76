"""What a snapshot of ours keeps of an object is all that is read of one."""

import msgspec
import pytest

from otterize_pcap.cluster.snapshot.kept_objects import kept_object
from otterize_pcap.snapshot.objects import NodeSpec, PodSpec, ServiceSpec

VALUES: dict[str, object] = {
    "containers": [{"name": "c"}],
    "initContainers": [{"name": "i", "restartPolicy": "Always"}],
    "podCIDRs": ["10.1.0.0/24"],
}


@pytest.mark.parametrize(
    ("kind", "shape"), [("Service", ServiceSpec), ("Pod", PodSpec), ("Node", NodeSpec)]
)
def test_every_field_that_is_read_is_kept(kind: str, shape: type[msgspec.Struct]) -> None:
    """Else a rule goes by it for snapshots of kubectl, and not for ours."""
    names = [field.encode_name for field in msgspec.structs.fields(shape)]
    spec = {name: VALUES.get(name, "x") for name in names}
    found = kept_object(kind, "v1", {"metadata": {"name": "a", "uid": "u"}, "spec": spec})
    assert set(found["spec"]) >= set(names)
