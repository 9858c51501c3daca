"""The OpenAPI description, fuzzed: no request gives a 5xx, every answer is as described."""

import re
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.conftest import Running, Studio

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("schema") / "data", "--rate", 1000000)
    studio = Studio(running.url)
    headers = {
        "X-Radsmith-Request": studio.token,
        "Cookie": f"radsmith_session={studio.http.cookies['radsmith_session']}",
    }
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    yield schema, headers
    studio.http.close()
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def bounded(case):
    """Little work for the prompts that can be drawn."""
    if isinstance(case.body, dict):
        for name in ("n", "steps"):
            if isinstance(case.body.get(name), int):
                case.body[name] = min(case.body[name], 1)
        if re.fullmatch(r"[1-9]\d{1,4}x[1-9]\d{1,4}", str(case.body.get("size"))):
            case.body["size"] = "64x48"
    return case


def test_answers_are_as_described(api):
    schema, headers = api
    seen = []
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=8,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case):
                response = bounded(case).call(headers=headers)
                case.validate_response(response, checks=CHECKS)

            with suppress(Unsatisfiable):  # nothing in this operation can be wrong
                check()
        seen.append(operation.label)
    assert "POST /v1/images/generations" in seen and "GET /studio/history" in seen
