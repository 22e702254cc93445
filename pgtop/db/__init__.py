"""The server: reads rows through one guarded connection. The only package, with demo, that knows psycopg."""
