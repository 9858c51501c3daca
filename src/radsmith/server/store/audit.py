"""The audit log: who did what, from where, when. Rows are only ever added."""

from __future__ import annotations

import secrets
import time

from sqlalchemy import insert

from radsmith.server.store.database import Database
from radsmith.server.store.tables import AUDIT


class Audit:
    """Writes the log. Prompts are kept with their batches, so details name ids alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, owner: str, address: str, action: str, detail: str) -> None:
        """Add a row. action: "generate", "cancel", "refused" …; detail: at most 500 characters."""
        row = {"owner": owner, "address": address, "action": action, "detail": detail[:500]}
        with self._database.write() as connection:
            connection.execute(
                insert(AUDIT).values(id=secrets.token_urlsafe(16), at=time.time(), **row)
            )
