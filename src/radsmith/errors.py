"""Every error radsmith raises on purpose.

    RadsmithError
    ├── InvalidInput   the caller can mend it                 exit 2, HTTP 400
    ├── NotFound       no such model, image, file, job        exit 3, HTTP 404
    └── Unavailable    missing extra, full disk, no device    exit 4, HTTP 503
        └── Busy       a queue or a rate limit is full        exit 4, HTTP 503 or 429

A message says what was given, what was expected and how to mend it.
"""

import re

_ADDRESS = re.compile(r"\s*<[^<>]* at 0x[0-9a-fA-F]+>|\s*\b(?:at )?0x[0-9a-fA-F]{6,}")


class RadsmithError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1
    http_status = 500


class InvalidInput(RadsmithError):
    """What the caller gave cannot be used; the message says the mend."""

    exit_code = 2
    http_status = 400


class NotFound(RadsmithError):
    """A model, file, image or job that was named does not exist."""

    exit_code = 3
    http_status = 404


class Unavailable(RadsmithError):
    """The request is fine but this machine cannot serve it now."""

    exit_code = 4
    http_status = 503


class Busy(Unavailable):
    """A queue or rate limit is full. seconds: when to ask again; own: the caller's own limit."""

    def __init__(self, message: str, *, seconds: int, own: bool) -> None:
        super().__init__(message)
        self.seconds = max(1, seconds)
        self.http_status = 429 if own else 503


def reason_of(error: BaseException) -> str:
    """What a library said of a failure: its first line, printable, without memory addresses."""
    lines = str(error).strip().splitlines()
    text = "".join(c if c.isprintable() else " " for c in lines[0]) if lines else ""
    text = " ".join(_ADDRESS.sub("", text).split())
    return text[:200].rstrip(" .:;,") or type(error).__name__
