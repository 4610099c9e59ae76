"""Fields of a record, by type: one that is not what it should be costs itself, and is told."""

from typing import Any

import msgspec

from otterize_pcap.addresses import AddressError, parse_address
from otterize_pcap.json_errors import expected
from otterize_pcap.timestamps import SECOND_NS, TimeError, parse_time

MOST_TOLD = 20
"""Different odd fields that are told of one file; the others are of their kind."""
MOST_TEXT = 1024
"""Characters of a name; Kubernetes and DNS have at most 253."""
MOST_LABELS = 200
MOST_NUMBER = (1 << 63) - 1
TRUE, FALSE = ("true", "1"), ("false", "0", "")


class Fields:
    """The fields of one JSON object, or of one line of CSV, where all are text.

    `odd` takes note of what does not fit, by path.
    """

    def __init__(self, value: dict[str, Any], path: str, odd: dict[str, None]) -> None:
        self._value = value
        self._path = path
        self._odd = odd

    @property
    def key(self) -> bytes:
        """All that the fields are, to know them again by."""
        return msgspec.json.encode(self._value)

    def __contains__(self, name: str) -> bool:
        """Whether the field is there, and not empty."""
        return self._value.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """A text; empty where it is missing."""
        value = self._value.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > MOST_TEXT:
            self.tell(name, value, "text")
            return ""
        return value

    def number(self, name: str) -> int | None:
        """A whole number of 0 or more, also as text, as JSON of protobuf has those of 64 bits."""
        value = self._value.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        # CSV of NetObserv's console has large numbers as 1.7e+12.
        if isinstance(value, str | float) and not isinstance(value, bool):
            value = _whole(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NUMBER:
            self.tell(name, self._value[name], "a whole number")
            return None
        return value

    def flag(self, name: str) -> bool | None:
        """True or false; None where it is missing."""
        value = self._value.get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in TRUE + FALSE:
            return value.lower() in TRUE
        self.tell(name, value, "true or false")
        return None

    def object(self, name: str) -> "Fields":
        """An object's fields; none where it is missing."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, dict):
            self.tell(name, value, "an object")
        found = value if isinstance(value, dict) else {}
        return Fields(found, f"{self._path}.{name}", self._odd)

    def texts(self, name: str) -> list[str]:
        """A list of texts, or one alone."""
        value = self._value.get(name)
        if value is None or value == "":
            return []
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) and len(each) <= MOST_TEXT for each in found):
            self.tell(name, value, "a list of texts")
            return []
        return found[:MOST_LABELS]

    def objects(self, name: str) -> list["Fields"]:
        """A list of objects."""
        value = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.tell(name, value, "a list of objects")
            return []
        return [Fields(each, f"{self._path}.{name}[]", self._odd) for each in value[:MOST_LABELS]]

    def address(self, name: str) -> bytes | None:
        """An IP address; None where there is none."""
        text = self.text(name)
        if not text:
            return None
        try:
            return parse_address(text)
        except AddressError:
            self.tell(name, text, "an IP address")
            return None

    def port(self, name: str) -> int:
        """A port; 0 where it is missing."""
        number = self.number(name)
        if number is None:
            return 0
        if number > 0xFFFF:
            self.tell(name, number, "a port")
            return 0
        return number

    def time(self, name: str) -> int | None:
        """An RFC 3339 time, in ns; None where it is missing."""
        text = self.text(name)
        if not text:
            return None
        try:
            time_ns = parse_time(text)
        except (TimeError, OverflowError):
            time_ns = -1
        if not 0 <= time_ns <= MOST_NUMBER:
            self.tell(name, text, "a time (RFC 3339)")
            return None
        return time_ns

    def milliseconds(self, name: str) -> int | None:
        """A time in ms since the epoch, as ns; None where it is missing."""
        number = self.number(name)
        if number is None:
            return None
        if number > MOST_NUMBER // (SECOND_NS // 1000):
            self.tell(name, number, "a time in milliseconds")
            return None
        return number * (SECOND_NS // 1000)

    def tell(self, name: str, value: Any, what: str) -> None:  # noqa: ANN401 - as JSON has it
        """Note that a field was left out; of the same field, once."""
        path = f"{self._path}.{name}"
        if len(self._odd) < MOST_TOLD and not any(
            each.startswith(f"{path} ") for each in self._odd
        ):
            self._odd[expected(path, value, what)] = None


def _whole(value: str | float) -> int | str | float:
    try:
        number = float(value)
        return int(number) if number.is_integer() else value
    except (ValueError, OverflowError):
        return value
