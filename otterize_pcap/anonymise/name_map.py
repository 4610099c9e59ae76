"""Names → others, word by word, so that what names say of each other stays true.

A Pod is called after its ReplicaSet, a static pod ends in its node's name, a DNS name is made of a
Service's and its namespace's, a label repeats a name. So a name is taken apart at the signs that
join its parts, and each word is replaced wherever it stands. Words that look made by a machine (S3)
are replaced by others that look so: a generated name stays one. Words that mean something to
Kubernetes, and to the rules, stay.
"""

import re

from otterize_pcap.anonymise.keyed import Keyed
from otterize_pcap.resolve.stable_names import FIRST_MINUTE, LAST_MINUTE

KEPT = frozenset(
    {
        "cluster",
        "default",
        "deployment",
        "dns",
        "kube",
        "kubernetes",
        "local",
        "openshift",
        "svc",
        "system",
    }
)
"""Words of the names that rules know: kube-system, openshift-dns, default/kubernetes, kube-dns,
dns-default, *.svc.cluster.local, and what Knative's revisions end in."""

WORD = re.compile(r"[^-._/:@]+")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONSONANTS, VOWELS = "bcdfghjklmnprstvz", "aeiou"
SYLLABLES = len(CONSONANTS) * len(VOWELS)
WORD_SYLLABLES = 4

# How `graph.generated_names` tells what a machine made, by the last word of a name.
SAFE = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{3,10}")
MIXED = re.compile(r"(?=[a-z]*[0-9][a-z0-9]*[0-9])(?=[a-z0-9]*[0-9][a-z])[a-z0-9]{5,}")
NUMBER = re.compile(r"[0-9]+")


def _looks(word: str) -> tuple[bool, bool, bool, bool]:
    """What a generated name's rules see in a word; all false in one that people chose."""
    is_number = bool(NUMBER.fullmatch(word))
    return (
        bool(SAFE.fullmatch(word)),
        bool(MIXED.fullmatch(word)),
        is_number,
        is_number and len(word) == 8 and FIRST_MINUTE <= int(word) <= LAST_MINUTE,
    )


class NameMap:
    """The names of one anonymised capture; the same key gives the same ones."""

    def __init__(self, key: bytes) -> None:
        self._words = Keyed(key, "words")
        self._made = Keyed(key, "generated words")
        self._uids = Keyed(key, "uids")
        self._known: dict[str, str] = {}
        self._taken: dict[str, str] = {}

    def name(self, name: str) -> str:
        """The name that stands for one; signs between words stay."""
        return WORD.sub(lambda found: self._word(found[0]), name)

    def uid(self, uid: str) -> str:
        """A UUID for a UUID; what people wrote in its place is a name."""
        if not UUID.fullmatch(uid):
            return self.name(uid)
        drawn = self._uids.digest(uid.encode()).hex()
        return "-".join((drawn[:8], drawn[8:12], drawn[12:16], drawn[16:20], drawn[20:32]))

    def kind(self, kind: str) -> str:
        """The kind of a custom resource: one word that begins with a capital."""
        return self._word(kind).capitalize()

    def _word(self, word: str) -> str:
        found = self._known.get(word)
        if found is None:
            found = self._known[word] = self._replaced(word)
        return found

    def _replaced(self, word: str) -> str:
        if word in KEPT:
            return word
        looks = _looks(word)
        return self._generated(word, looks) if any(looks) else self._spoken(word)

    def _generated(self, word: str, looks: tuple[bool, bool, bool, bool]) -> str:
        """A word of the same look, digits for digits and letters for letters: a permutation."""
        pattern = "".join("0" if sign.isdigit() else "a" for sign in word)
        bases = [10 if sign == "0" else 26 for sign in pattern]
        size = 1
        for base in bases:
            size *= base
        value = 0
        for sign, base in zip(word, bases, strict=True):
            value = value * base + int(sign, 36) - (10 if base == 26 else 0)
        while True:
            value = self._made.permute(value, size)
            signs, left = [], value
            for base in reversed(bases):
                left, digit = divmod(left, base)
                signs.append(str(digit) if base == 10 else chr(ord("a") + digit))
            found = "".join(reversed(signs))
            if _looks(found) == looks:
                return found

    def _spoken(self, word: str) -> str:
        """Four syllables: with vowels and without digits, so that it looks chosen by people.

        Two words are hardly ever given the same; the second one then is given another.
        """
        attempt = 0
        while True:
            drawn = int.from_bytes(
                self._words.digest(b"%d:" % attempt + word.encode("utf-8", "surrogatepass"))[:8]
            )
            syllables = []
            for _ in range(WORD_SYLLABLES):
                drawn, syllable = divmod(drawn, SYLLABLES)
                consonant, vowel = divmod(syllable, len(VOWELS))
                syllables.append(CONSONANTS[consonant] + VOWELS[vowel])
            found = "".join(syllables)
            if self._taken.setdefault(found, word) == word:
                return found
            attempt += 1
