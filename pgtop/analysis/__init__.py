"""Arithmetic over the model. Pure functions, no I/O."""
