"""The link types that are decoded, by number (tcpdump.org/linktypes.html).

Reading asks for them before any frame is decoded; `link_layer` has an opener for each.
"""

LINK_TYPES = frozenset({0, 1, 9, 12, 14, 50, 51, 101, 105, 108, 113, 127, 228, 229, 239, 276})
