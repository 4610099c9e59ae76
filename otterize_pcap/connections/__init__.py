"""Rows → connections: legs joined across nodes and NAT, with direction, outcome and names."""
