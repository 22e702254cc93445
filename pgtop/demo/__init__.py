"""A sick database of our own, its server and its load."""
