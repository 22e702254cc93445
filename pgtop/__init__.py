"""Live PostgreSQL inspection in the terminal."""

__version__ = "0.1.0"
"""A constant, so that `--version` imports nothing to find it."""
