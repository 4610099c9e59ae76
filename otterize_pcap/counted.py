"""Numbers of things as people read them: `1 call`, `299,920 calls`."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, in the plural where it is not one.

    Args:
        number: How many.
        noun: What one is called.
        plural: What several are called, where that is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
