"""The commands: the only place where server and screen meet."""
