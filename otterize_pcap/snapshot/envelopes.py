"""What Kubernetes objects come in: documents, and the events of a watch."""

import msgspec


class Document(msgspec.Struct, frozen=True, gc=False):
    """A whole document: a List, or one object."""

    kind: str = ""
    apiVersion: str = ""
    metadata: msgspec.Raw = msgspec.Raw()
    items: list[msgspec.Raw] | None = None
    otterize: msgspec.Raw = msgspec.Raw()


class WatchEvent(msgspec.Struct, frozen=True, gc=False):
    """metav1.WatchEvent: the state of an object after something happened to it."""

    type: str
    object: msgspec.Raw
