"""Two graphs, or a graph and what is declared → what differs, and whether that can be known."""
