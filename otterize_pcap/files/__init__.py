"""Paths → captures and snapshots: the only stage that opens files; it prints nothing."""
