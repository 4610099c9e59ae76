"""Findings as SARIF 2.1.0 (OASIS), which code scanning shows.

Code scanning wants a file for each result: it is where the call, or else its client, is declared. A
fingerprint of what it is about keeps a result the same from run to run.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from otterize_pcap.compare.findings import Finding, FindingList
from otterize_pcap.render.sentence import finding_sentence
from otterize_pcap.version import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(found: FindingList) -> str:
    """One run with a result for each finding."""
    rules = [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.text},
            "defaultConfiguration": {"level": rule.level},
        }
        for rule in found.rules
    ]
    driver = {"name": "otterize", "version": __version__, "rules": rules}
    order = {rule.name: index for index, rule in enumerate(found.rules)}
    results = [_result(finding, order[finding.rule.name]) for finding in found.findings]
    run: dict[str, Any] = {"tool": {"driver": driver}, "results": results}
    if found.unmet:
        run["invocations"] = [_failed(found.unmet)]
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _failed(reasons: Iterable[str]) -> dict[str, Any]:
    """The run as one that concluded nothing."""
    notifications = [{"level": "error", "message": {"text": reason}} for reason in reasons]
    return {"executionSuccessful": False, "toolExecutionNotifications": notifications}


def _result(finding: Finding, index: int) -> dict[str, Any]:
    topic = finding.topic
    name = f"{topic.client} calls {topic.server}" if topic.server else topic.client
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name}]}
    if finding.place is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(finding.place.file)},
            "region": {"startLine": finding.place.line},
        }
    return {
        "ruleId": finding.rule.name,
        "ruleIndex": index,
        "level": finding.rule.level,
        "message": {"text": finding_sentence(finding)},
        "locations": [location],
        "partialFingerprints": {"call/v1": _fingerprint(finding)},
    }


def _fingerprint(finding: Finding) -> str:
    parts = [finding.rule.name, *finding.topic.identity]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
