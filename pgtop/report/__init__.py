"""Views and findings as text, JSON and Markdown. Pure."""
