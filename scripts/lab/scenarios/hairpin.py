"""A pod calls itself through its own Service.

The Service has one backend, the caller. kube-proxy's rules masquerade such a call, so that the pod
sees it come from cni0's address; the workload still calls itself, and nobody else does.
"""

from cluster import Lab
from objects import Port
from services import ServicePort


def record(lab: Lab) -> None:
    """Call oneself."""
    port = lab.plan.port(8080)
    echo = lab.deployment("echo", "app", ports=(Port(port),))
    service = lab.service("echo", "app", ServicePort(80, port))

    lab.start_recording()
    echo.host.call(service, 80)
    lab.stop_recording()

    lab.truth.edge(echo, echo, port, service=service, uplink="no")
