"""Plans: parse, count, flatten. Pure."""
