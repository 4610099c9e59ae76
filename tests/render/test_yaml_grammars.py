"""YAML that we write says the same under every grammar: 1.1, 1.2, and what Kubernetes reads."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.cluster.capture.job import fill_job, load_template, manifest_text
from otterize_pcap.policies.generate import Wanted, make_policies
from otterize_pcap.policies.observation import observe
from otterize_pcap.policies.verdict import ACCEPTABLE, Gates
from otterize_pcap.policies.workload_policy import WorkloadPolicy
from otterize_pcap.render.cilium_policy import cilium_document
from otterize_pcap.render.network_policy import commented_document, render_policies
from otterize_pcap.render.yaml_text import is_plain, scalar
from tests.cluster.script_runs import plan
from tests.policies.random_clusters import Happening, Member, captured

YAML_1_1 = re.compile(
    r"~|null|Null|NULL|<<|=|"
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|"
    r"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|"
    r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+|"
    r"[-+]?(?:[0-9][0-9_]*)?\.[0-9.]*(?:[eE][-+][0-9]+)?|"
    r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|"
    r"\d{4}-\d\d-\d\d|"
    r"\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?"
)
"""All types but text (yaml.org/type)."""
YAML_1_2 = re.compile(
    r"|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|"
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|"
    r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
"""The core schema (YAML 1.2.2, 10.3.2)."""
GO_FLOAT = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?")
look_alikes = st.from_regex(r"[0-9_.:+\-eExXoObBpPa-fA-FtTzZinyINY]+", fullmatch=True)
names = st.text("0123456789abcdefonxytrue_.:+-~'\"# ", min_size=1, max_size=6) | look_alikes
identifiers = st.from_regex(r"[0-9a-f]{8}|[0-9]{1,4}e[0-9]{1,4}", fullmatch=True)


def go_takes_for_another_type(text: str) -> bool:
    """go-yaml, which Kubernetes reads with: strconv in any base, underscores left out."""
    plain = text.replace("_", "")
    try:
        int(plain, 0)
    except ValueError:
        pass
    else:
        return True
    is_old_octal = re.fullmatch(r"[-+]?0[0-7]+", plain) is not None
    return is_old_octal or GO_FLOAT.fullmatch(plain) is not None


def misread(text: str) -> list[str]:
    """The grammars that take a text without quotes for something else."""
    taken = {
        "1.1": YAML_1_1.fullmatch(text) is not None,
        "1.2": YAML_1_2.fullmatch(text) is not None,
        "Kubernetes": go_takes_for_another_type(text),
    }
    return [grammar for grammar, other in taken.items() if other]


@pytest.mark.parametrize("text", ["489545e1", "1_000", "0o17", "0b1", "1:30", "0x1p4", "y", "1."])
def test_what_some_grammar_misreads_is_quoted(text: str) -> None:
    """The known traps; 489545e1 was a capture's random id that the API server refused."""
    assert not is_plain(text)
    assert scalar(text) == f'"{text}"'


@settings(max_examples=1000)
@given(look_alikes | identifiers | st.text(max_size=8))
def test_text_without_quotes_is_text_under_every_grammar(text: str) -> None:
    """Whatever stays unquoted, no reader takes for a number, a boolean, a date or null."""
    if is_plain(text):
        assert misread(text) == []


@settings(max_examples=30)
@given(identifiers)
def test_manifest_says_text_under_every_grammar(identifier: str) -> None:
    """`capture --dry-run | kubectl create -f -` works whatever the random id is."""
    written = manifest_text([fill_job(load_template(), plan(capture_id=identifier), "12e4")])
    meant = taken_for_others(written)
    (document,) = yaml.safe_load_all(written)
    assert meant <= {*map(str, numbers(document)), "true", "false"}
    assert identifier not in meant


def taken_for_others(written: str) -> set[str]:
    """What stands without quotes, and is no text under some grammar."""
    return {
        event.value
        for event in yaml.parse(written)
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and misread(event.value)
    }


def remarked(made: WorkloadPolicy, remark: str) -> WorkloadPolicy:
    """The same policy with a remark on each of its rules."""
    return replace(made, allowed=tuple(replace(each, remarks=(remark,)) for each in made.allowed))


@settings(max_examples=40)
@given(
    st.lists(names, min_size=6, max_size=6, unique=True),
    st.dictionaries(names, names, max_size=3),
    st.text(max_size=20),
)
def test_policies_say_text_under_every_grammar(
    words: list[str], more: dict[str, str], remark: str
) -> None:
    """Names and labels of what was observed, and comments, are no other type and no other line."""
    pods = [
        Member(words[place], words[2], place, "a", (*more.items(), (words[3], words[4 + place])),
               f"10.1.0.{place + 10}")
        for place in (0, 1)
    ]  # fmt: skip
    mapped = captured(tuple(pods), [Happening("call", 0, 1, 80)])
    wanted = Wanted(frozenset({words[2]}), gates=Gates(accepted=frozenset(ACCEPTABLE)))
    made = make_policies([observe(mapped)], wanted)
    assert any(each.policy is not None for each in made)
    for form in (commented_document, cilium_document):
        written = render_policies([remarked(each, remark) for each in made], form)
        documents = list(yaml.safe_load_all(written))
        assert documents == [form(each) for each in made if each.policy is not None]
        assert taken_for_others(written) <= {*map(str, numbers(documents))}


def numbers(value: object) -> list[object]:
    """All numbers within a document."""
    if isinstance(value, dict):
        return [number for entry in value.values() for number in numbers(entry)]
    if isinstance(value, list):
        return [number for entry in value for number in numbers(entry)]
    return [value] if isinstance(value, int | float) else []
