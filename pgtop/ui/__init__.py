"""The screen: the only package that knows Textual. It reads a `Source` and never sees psycopg."""
