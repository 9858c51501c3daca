"""The studio's own routes, and its page in `static/`, served by name from a table."""
