"""Every error radsmith raises on purpose.

    RadsmithError
    ├── InvalidInput   the caller can mend it                 exit 2, HTTP 400
    ├── NotFound       no such model, image, file, job        exit 3, HTTP 404
    └── Unavailable    missing extra, full disk, no device    exit 4, HTTP 503

A message says what was given, what was expected and how to mend it.
"""


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
