"""Reviewing in the browser: people and sessions, the reader's routes, the page in `static/`."""
