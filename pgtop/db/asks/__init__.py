"""One module a kind of question. `ASKS` finds who answers a request."""
