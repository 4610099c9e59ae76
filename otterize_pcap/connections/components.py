"""Reference, to come."""


class Components: ...
