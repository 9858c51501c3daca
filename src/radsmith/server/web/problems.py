"""How every kind of error is answered: in the one shape of `problem`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from radsmith.errors import RadsmithError
from radsmith.server.web.problem import Problem, problem_of

_LOG = logging.getLogger("radsmith.serve")


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


def add_handlers(app: FastAPI) -> None:
    """Answer every kind of error in the one shape."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> Response:
        return error.response

    @app.exception_handler(RadsmithError)
    async def _radsmith(_: Request, error: RadsmithError) -> Response:
        return problem_of(error).response

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        return _validation(error.errors()).response

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        where = f"{request.method} {request.url.path[:200]}"
        if error.status_code == 404:
            return Problem(404, f"Invalid URL ({where})", code="unknown_url").response
        if error.status_code == 405:
            text = f"Not allowed: {where}. This address takes another HTTP method."
            return Problem(405, text, code="method_not_supported", headers=headers).response
        return Problem(error.status_code, str(error.detail), headers=headers).response

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> Response:
        """A defect of ours: logged, and told as a deliberate 503 without a traceback."""
        _LOG.error("unforeseen error at %s", request.url.path, exc_info=error)
        text = "the server met an error of its own, noted in its log; please report it"
        return Problem(503, text, headers={"Retry-After": "5"}).response


def _validation(errors: Sequence[Any]) -> Problem:
    """The first of pydantic's errors, as OpenAI words them."""
    first = errors[0]
    path = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(path) or None
    kind, given = first["type"], first.get("input")
    if kind == "json_invalid":
        return Problem(400, "The body is not JSON that can be read.", code="invalid_json")
    if kind == "missing" and param:
        text = f"Missing required parameter: '{param}'."
        return Problem(400, text, param=param, code="missing_required_parameter")
    if kind == "extra_forbidden":
        text = f"Unknown parameter: '{param}'."
        return Problem(400, text, param=param, code="unknown_parameter")
    shown = repr(given)[:120] if given is not None else "null"
    text = f"Invalid value for '{param or 'body'}': {shown}. {first['msg']}."
    return Problem(400, text, param=param, code="invalid_value")
