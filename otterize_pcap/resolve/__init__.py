"""Connections + snapshot → service graph: whose addresses they were, at the packets' time."""
