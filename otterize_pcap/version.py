"""The one place that states the version; packaging and the CLI read it from here."""

__version__ = "0.1.0"
