"""Record → packet headers: the readable reference decoder; it knows of no file."""
