"""When autovacuum comes, how long it takes, what it waits for: PostgreSQL's own rules as sums."""
