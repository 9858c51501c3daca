"""The server: OpenAI's Images API on this machine, its jobs and the studio. Extra `serve`."""
