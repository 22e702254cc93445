"""The command line."""

from __future__ import annotations


def main() -> int:
    """Run pgtop; returns its exit status."""
    return 0
