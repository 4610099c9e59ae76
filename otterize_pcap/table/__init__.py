"""Packet headers → connection table: rows, the compiled fast path, and reading whole files."""
