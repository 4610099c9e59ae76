"""The same names in two namespaces: web, api and db in `prod` and in `staging`.

Within each namespace web calls api and api calls db. Across, staging's web calls prod's api, and
prod's api calls staging's db. Every call goes through the ClusterIP of a Service of the same name.
"""

from cluster import Lab
from objects import Port
from services import Service, ServicePort
from workloads import Group


def record(lab: Lab) -> None:
    """Build both namespaces alike and call within and across them."""
    api_port, db_port = lab.plan.port(8080), lab.plan.port(5432)
    prod = build(lab, "prod", api_port, db_port)
    staging = build(lab, "staging", api_port, db_port)

    lab.start_recording()
    for caller, service, server, port in (
        (prod.web, prod.api_service, prod.api, api_port),
        (prod.api, prod.db_service, prod.db, db_port),
        (staging.web, staging.api_service, staging.api, api_port),
        (staging.api, staging.db_service, staging.db, db_port),
        (staging.web, prod.api_service, prod.api, api_port),
        (prod.api, staging.db_service, staging.db, db_port),
    ):
        caller.host.call(service, port)
        lab.truth.edge(caller, server, port, service=service, uplink="yes")
    lab.stop_recording()


class Stage:
    """One namespace's three workloads and two Services."""

    web: Group
    api: Group
    db: Group
    api_service: Service
    db_service: Service


def build(lab: Lab, namespace: str, api_port: int, db_port: int) -> Stage:
    """Web on node-a, api on node-b, db on node-a."""
    stage = Stage()
    stage.web = lab.deployment("web", namespace)
    stage.api = lab.deployment("api", namespace, on=("node-b",), ports=(Port(api_port),))
    stage.db = lab.statefulset("db", namespace, ports=(Port(db_port),))
    stage.api_service = lab.service("api", namespace, ServicePort(api_port, api_port))
    stage.db_service = lab.service("db", namespace, ServicePort(db_port, db_port))
    return stage
