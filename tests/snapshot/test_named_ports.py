"""The ports of a pod by their names."""

from tests.cluster_builder import pod, snapshot


def test_first_container_of_a_name_counts() -> None:
    """Containers beside each other may use one name; init containers come last (FindPort)."""
    item = pod("web", "10.1.0.1", ports=[{"name": "metrics", "containerPort": 8080}])
    beside = {"name": "proxy", "image": "p", "ports": [{"name": "metrics", "containerPort": 9090}]}
    item["spec"]["containers"].append(beside)
    first = {"name": "metrics", "containerPort": 7070}, {"name": "init", "containerPort": 6060}
    item["spec"]["initContainers"] = [{"name": "i", "image": "i", "ports": list(first)}]
    (found,) = snapshot(item).pods
    assert found.named_ports == {"metrics": 8080, "init": 6060}
