"""Command line: one module per command group.

The only package that prints, exits or reads the environment.
"""
