"""One file per scenario, each read from top to bottom: what is built, what happens, the truth."""
