"""Record → packet headers: the readable reference decoder, on dpkt; it knows of no file."""
