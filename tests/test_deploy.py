"""The examples for containers name options, variables and paths that are there."""

import json
import re
from pathlib import Path

import click
import pytest

from radsmith.cli import cli
from radsmith.server.store.signing import SECRET_NAME

yaml = pytest.importorskip("yaml")
DEPLOY = Path(__file__).parent.parent / "deploy"
EXTRAS = {"serve", "postgres", "s3"}


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def objects():
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def ours():
    """Arguments of every container that runs radsmith."""
    for name in ("server", "worker"):
        yield compose()["services"][name]["command"]
    for found in objects():
        if found["kind"] == "Deployment":
            for container in found["spec"]["template"]["spec"]["containers"]:
                yield container["args"]
    (line,) = re.findall(r"^CMD (.*)$", (DEPLOY / "Containerfile").read_text(), re.M)
    yield json.loads(line)


def test_every_container_is_started_with_options_that_are_there():
    found = list(ours())
    assert len(found) == 5
    for name, *arguments in found:
        command = cli.commands[name]
        command.make_context(name, [str(a) for a in arguments])  # raises UsageError else


def test_variables_are_those_that_are_read():
    read = {SECRET_NAME}
    for name in ("serve", "work", "key"):
        read |= {p.envvar for p in cli.commands[name].params if isinstance(p, click.Option)}
    given = set(compose()["x-radsmith"]["environment"])
    (secret,) = (found for found in objects() if found["kind"] == "Secret")
    for names in (given, set(secret["stringData"])):
        assert {n for n in names if n.startswith("RADSMITH_")} <= read
        assert {"RADSMITH_DB", "RADSMITH_BLOBS", SECRET_NAME} <= names


def test_selectors_find_their_pods_and_probes_their_routes():
    from radsmith.server.web.files import router

    routes = {route.path for route in router.routes}
    pods = [o["spec"]["template"]["metadata"]["labels"] for o in objects() if "replicas" in str(o)]
    for found in objects():
        if found["kind"] in ("Service", "PodDisruptionBudget", "Deployment"):
            selector = found["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= labels.items() for labels in pods), found["metadata"]
        for path in re.findall(r"'path': '([^']+)'", str(found)):
            assert path in routes


def test_the_image_holds_the_extras_it_needs():
    text = (DEPLOY / "Containerfile").read_text()
    for listed in re.findall(r"\[([a-z0-9,]+)\]", text):
        assert set(listed.split(",")) == EXTRAS
