"""The server: OpenAI's Images API on this machine, its jobs and the studio. Extra `serve`.

Touches anything, and alone imports FastAPI and SQLAlchemy. Inside, in this order: `store`, `jobs`,
`web`, `openai`, `studio`, `review`, then `app` and `front`.
"""
