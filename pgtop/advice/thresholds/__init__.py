"""Every number a rule uses, with the reason under it; one module a subject."""
