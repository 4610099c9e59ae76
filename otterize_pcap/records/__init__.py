"""Capture files → records: containers, compression, and where one packet's bytes begin and end."""
