"""Command line: one module per command group; the only place that prints, exits or reads the environment."""
