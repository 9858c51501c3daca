"""OpenAI's Images API; the only place of OpenAI's names."""
