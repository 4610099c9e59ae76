"""What a message says of a package that is not installed, because not everybody needs it."""


def how_to_have(package: str) -> str:
    """What to do; the one-file binary holds what it holds, whatever pip installs beside it."""
    return (
        f"install it with `pip install {package}`, beside an otterize-pcap that pip installed: the "
        "one-file binary cannot use it"
    )
