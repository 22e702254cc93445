"""EXPLAIN's plans: read from any form and frame, and what their numbers mean."""
