"""Files under the state directory, 0600."""
