"""Signatures of this server: image addresses that expire, sessions, and request tokens.

HMAC-SHA-256 with a secret of 32 random bytes that never leaves the server's folder, or of
$RADSMITH_SERVER_SECRET where several servers are to know each other's signatures.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from base64 import urlsafe_b64encode
from pathlib import Path

from radsmith.errors import InvalidInput, Unavailable
from radsmith.files import read_bytes

_BYTES = 32
SECRET_NAME = "RADSMITH_SERVER_SECRET"


class Signer:
    """Signs short texts, each for one purpose."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _BYTES:
            raise Unavailable(f"the server's secret must have {_BYTES} bytes; remove its file")
        self._secret = secret

    def sign(self, purpose: str, *parts: str) -> str:
        """A signature of 43 characters. Parts are kept apart by their lengths."""
        text = "".join(f"{len(part)}:{part}" for part in (purpose, *parts))
        digest = hmac.new(self._secret, text.encode(), hashlib.sha256).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def holds(self, signature: str, purpose: str, *parts: str) -> bool:
        """Whether `signature` is that of these parts, compared in constant time."""
        wanted = self.sign(purpose, *parts)
        return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace"))

    @property
    def fingerprint(self) -> str:
        """Tells secrets apart without telling anything of them."""
        return self.sign("fingerprint")

    def session(self, owner: str, seconds: int) -> str:
        """A session cookie's value: owner, end, a random part, signature."""
        end, salt = str(int(time.time()) + seconds), secrets.token_urlsafe(9)
        return ".".join((owner, end, salt, self.sign("session", owner, end, salt)))

    def owner_of(self, session: str) -> str | None:
        """The owner of a session that has not ended; None for anything else."""
        parts = session.split(".")
        if len(parts) != 4 or not self.holds(parts[3], "session", *parts[:3]):
            return None
        return parts[0] if int(parts[1]) > time.time() else None


def open_secret(folder: Path) -> bytes:
    """The folder's secret, made at the first start, readable by its owner alone; or that of
    $RADSMITH_SERVER_SECRET, 64 hexadecimal digits. Raises InvalidInput for anything else there."""
    told = os.environ.get(SECRET_NAME, "")
    if told:
        try:
            secret = bytes.fromhex(told)
        except ValueError:
            secret = b""
        if len(secret) != _BYTES:
            raise InvalidInput(
                f"${SECRET_NAME} must be 64 hexadecimal digits, as `openssl rand -hex 32` makes"
            )
        return secret
    path = folder / "secret.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_bytes(path)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
    return read_bytes(path)
