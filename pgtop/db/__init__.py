"""The server: reads rows through one guarded connection. Only it and demo know psycopg."""
