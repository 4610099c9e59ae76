"""The labels by which those that a selector means are found among thousands."""

from otterize_pcap.policies.network_policy import IN, LabelSelector

Label = tuple[str, str]


def asked_labels(selector: LabelSelector) -> tuple[Label, ...]:
    """Labels one of which, and no more than one, every pod has that a selector matches."""
    for requirement in selector.requirements:
        if requirement.operator == IN:
            return tuple((requirement.key, value) for value in dict.fromkeys(requirement.values))
    return ()
