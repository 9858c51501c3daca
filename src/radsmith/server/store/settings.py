"""What a server is started with: where it listens, what it keeps, and its limits."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from radsmith.engines.choice import Choice
from radsmith.errors import InvalidInput

MAX_IMAGES = 10
"""Images of one request, as in OpenAI's API."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds that keep one caller from harming the others.

    queue, per_key: images waiting or running, in all and of one key.  requests_per_minute: of
    one key or address.  deadline_s: from asking to the last image.  url_s: life of an image URL.
    upload_bytes, upload_pixels: of one uploaded picture.  upload_s: how long one is kept unused.
    json_bytes: of a body without upload.
    shutdown_s: how long a stop waits for images at work.  attempts: tries of one image.
    """

    queue: int = 400
    per_key: int = 200
    requests_per_minute: int = 600
    deadline_s: float = 300
    url_s: int = 3600
    json_bytes: int = 64 * 1024
    upload_bytes: int = 32 * 1024**2
    upload_pixels: int = 40_000_000
    upload_s: float = 7 * 24 * 3600
    shutdown_s: float = 20
    attempts: int = 3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise InvalidInput(f"{name} must be above 0, got {value}")


@dataclass(frozen=True, kw_only=True)
class SignOn:
    """Where people who review sign on: an OpenID Connect provider, and what it knows us by."""

    issuer: str
    client: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """folder: database, images and secret.  database: URL, "" for SQLite in the folder.  blobs:
    where images are kept, a folder or s3://…; "" for the folder's own.

    port 0 takes a free one.  engine: what draws.  keys: every request needs an API key.
    public_url: how the server is reached from outside, such as https://images.example.org; ""
    takes the request's own host.  studies: folders of what is to be reviewed.  workers 0: nothing
    is drawn here, but perhaps by other members of a shared database.  sign: file of the key that
    signs content credentials, None for none.
    """

    folder: Path
    database: str = ""
    blobs: str = ""
    host: str = "127.0.0.1"
    port: int = 8400
    workers: int = 1
    engine: Choice = None
    keys: bool = False
    public_url: str = ""
    studies: tuple[Path, ...] = ()
    sign_on: SignOn | None = None
    sign: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def exposed(self) -> bool:
        """Whether others can reach the server: by its address, or through a proxy."""
        return not self.loopback or bool(self.public_url)

    @property
    def shared(self) -> bool:
        """Whether other servers and workers may use the database at the same time."""
        return self.database.startswith("postgres")

    @property
    def blobs_at(self) -> str | Path:
        """Where images are kept."""
        return self.blobs or self.folder / "images"

    @property
    def database_url(self) -> str:
        """The database's URL."""
        return self.database or f"sqlite:///{self.folder / 'radsmith.sqlite3'}"


def data_folder() -> Path:
    """Where a server keeps its things: $XDG_DATA_HOME/radsmith or ~/.local/share/radsmith."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "radsmith"
