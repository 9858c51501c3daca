"""Answers that are not a success, in OpenAI's shape: `error` of message, type, param and code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from radsmith.errors import Busy, RadsmithError

_TYPES = {401: "invalid_request_error", 429: "requests", 503: "server_error"}
_CODES = {
    401: "invalid_api_key",
    404: "not_found",
    413: "request_too_large",
    429: "rate_limit_exceeded",
    503: "server_overloaded",
}


class Problem(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code or _CODES.get(status)
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        told = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": told}

    @property
    def response(self) -> Response:
        """The whole answer."""
        return JSONResponse(self.body, self.status, self.headers)


def problem_of(error: RadsmithError) -> Problem:
    """A radsmith error as an answer; 503 and 429 say when to ask again."""
    headers = {}
    if error.http_status in (429, 503):
        headers["Retry-After"] = str(error.seconds if isinstance(error, Busy) else 5)
    return Problem(error.http_status, str(error), headers=headers)
