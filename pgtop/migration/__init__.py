"""Remedies as migrations for the tools people use. Pure."""
