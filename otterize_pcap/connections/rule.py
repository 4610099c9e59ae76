"""The rules that tell the client from the server (S30 to S36), and which goes before which."""

from enum import StrEnum


class Rule(StrEnum):
    """A rule of direction by the name it is printed with, in order of precedence.

    A handshake, conntrack, a flow log's own word and a declared port are *strong*: each says by
    itself who is the client. The other rules are *weak*: they infer it. `UNDIRECTED` says that none
    of them told.
    """

    HANDSHAKE = "S30"
    CONNTRACK = "S31"
    HUBBLE_REPLY = "hubble: is_reply"
    HUBBLE_FLAGS = "hubble: TCP flags"
    NETOBSERV_FLAGS = "netobserv: Flags"
    NETOBSERV_SERVICE = "netobserv: Service"
    DECLARED_PORT = "S32"
    ANSWERED_ELSEWHERE = "S33"
    PAYLOAD = "S34"
    PORT = "S35"
    FIRST_SENDER = "UDP"
    UNDIRECTED = "S36"

    @property
    def precedence(self) -> int:
        """The place in the order of rules: of several that agree, the lowest one is named."""
        return _PRECEDENCE[self]

    @property
    def strong(self) -> bool:
        """Whether it says by itself who is the client."""
        return self.precedence <= Rule.DECLARED_PORT.precedence

    @property
    def weak(self) -> bool:
        """Whether it infers who is the client from what is usual."""
        return Rule.DECLARED_PORT.precedence < self.precedence < Rule.UNDIRECTED.precedence

    @property
    def text(self) -> str:
        """What it goes by, as `explain` says it."""
        return _TEXTS[self]


_PRECEDENCE = {rule: place for place, rule in enumerate(Rule)}
_TEXTS = {
    Rule.HANDSHAKE: "the handshake: the client sent the SYN",
    Rule.CONNTRACK: "conntrack's original direction",
    Rule.HUBBLE_REPLY: "Cilium's connection table knows who began",
    Rule.HUBBLE_FLAGS: "the client sent the SYN, says the log",
    Rule.NETOBSERV_FLAGS: "who sent the SYN, and who the SYN-ACK, says the log",
    Rule.NETOBSERV_SERVICE: "the server's address is a Service's, says the log",
    Rule.DECLARED_PORT: "only the server's port is declared as served",
    Rule.ANSWERED_ELSEWHERE: "the server answered a handshake elsewhere in the capture",
    Rule.PAYLOAD: "what the payload says",
    Rule.PORT: "the server's port: not ephemeral, and well known or of several connections",
    Rule.FIRST_SENDER: "who sent the first datagram, of this flow or of most flows of an endpoint",
    Rule.UNDIRECTED: "no rule tells",
}
