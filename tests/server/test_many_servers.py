"""Two servers and workers apart, as processes, on one PostgreSQL and one store of images."""

import os
import secrets
import signal
import subprocess
from collections import Counter
from functools import partial

import httpx
import psycopg
import pytest

from tests.common import run_command
from tests.compute.objects import bucket_of
from tests.server.conftest import Studio, command
from tests.server.test_serve import CHEST, counted, wait_for

DRAWN = {"prompt": CHEST, "n": 10, "steps": 1}


@pytest.fixture
def shared(postgres, monkeypatch):
    """An empty database."""
    monkeypatch.setenv("RADSMITH_SERVER_SECRET", secrets.token_hex(32))
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres}/{name}"


@pytest.fixture
def s3(monkeypatch):
    with bucket_of(monkeypatch) as where:
        yield where


@pytest.fixture
def work(tmp_path):
    """Start workers that listen nowhere; they end with the test."""
    running = []

    def start(*options):
        with (tmp_path / "work.log").open("ab") as log:
            arguments = command("work", "--workers", 1, *options)
            running.append(subprocess.Popen(arguments, stdout=log, stderr=log))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def run(monkeypatch, capsys):
    return partial(run_command, monkeypatch, capsys)


def workers_of(url):
    text = httpx.get(f"{url}/metrics").text
    return float(text.split("\nradsmith_members_workers ")[1].split()[0])


@pytest.mark.slow
def test_a_killed_server_is_followed_by_the_other(serve, shared, s3, tmp_path):
    one = serve("--blobs", s3, folder=tmp_path / "one", db=shared)
    two = serve("--blobs", s3, folder=tmp_path / "two", db=shared)
    studio = Studio(one.url)
    asked = [studio.generate(**DRAWN, seed=seed) for seed in (0, 100)]
    wait_for(lambda: counted(studio)[0]["running"] == 2)
    assert workers_of(one.url) == 2
    assert two.stop(signal.SIGKILL) == -signal.SIGKILL
    for batch in asked:
        studio.wait(batch)
    states, made = counted(studio)
    assert states == {"done": 20} and len(made) == 20 and set(made.values()) == {1}
    assert workers_of(one.url) == 1
    three = serve("--blobs", s3, folder=tmp_path / "three", db=shared)
    body = {"prompt": CHEST, "response_format": "url", "steps": 1}
    answer = httpx.post(f"{one.url}/v1/images/generations", json=body, timeout=120).json()
    path = answer["data"][0]["url"].removeprefix(one.url)
    pictures = [httpx.get(f"{place}{path}") for place in (one.url, three.url)]
    assert [p.status_code for p in pictures] == [200, 200]
    assert pictures[0].content == pictures[1].content


@pytest.mark.slow
def test_workers_apart_draw_for_a_server_without_any(serve, work, shared, tmp_path):
    blobs = str(tmp_path / "blobs")
    server = serve("--workers", 0, "--blobs", blobs, folder=tmp_path / "one", db=shared)
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    studio = Studio(server.url)
    batch = studio.generate(**DRAWN)
    first = work("--db", shared, "--blobs", blobs)
    wait_for(lambda: counted(studio)[0]["done"] >= 2)
    first.kill()
    first.wait()
    second = work("--db", shared, "--blobs", blobs)
    view = studio.wait(batch)
    assert Counter(job["state"] for job in view["jobs"]) == {"done": 10}
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert "Traceback" not in (tmp_path / "work.log").read_text()


def test_a_cancel_reaches_the_worker_of_another_server(serve, work, shared, tmp_path):
    blobs = str(tmp_path / "blobs")
    server = serve("--workers", 0, "--blobs", blobs, folder=tmp_path / "one", db=shared)
    work("--db", shared, "--blobs", blobs)
    studio = Studio(server.url)
    slow = studio.generate(prompt=CHEST, n=1, steps=100, size="2048x2048")
    wait_for(lambda: counted(studio)[0]["running"] == 1)
    assert studio.post(f"/studio/batches/{slow}/cancel").status_code < 300
    quick = studio.generate(prompt=CHEST, n=1, steps=1)
    assert studio.wait(quick)["jobs"][0]["state"] == "done"
    assert counted(studio)[0] == {"cancelled": 1, "done": 1}


def test_who_does_not_fit_is_told_so(serve, run, shared, tmp_path, monkeypatch):
    serve("--blobs", tmp_path / "blobs", folder=tmp_path / "one", db=shared)
    common = ("--data", tmp_path / "two", "--port", 0, "--db", shared)
    code, _, said = run("serve", *common)
    assert code == 2 and "the same --blobs" in said
    monkeypatch.setitem(os.environ, "RADSMITH_SERVER_SECRET", secrets.token_hex(32))
    code, _, said = run("serve", *common, "--blobs", tmp_path / "blobs")
    assert code == 2 and "another secret" in said
    monkeypatch.setitem(os.environ, "RADSMITH_SERVER_SECRET", "short")
    code, _, said = run("serve", *common, "--blobs", tmp_path / "blobs")
    assert code == 2 and "64 hexadecimal digits" in said
    code, _, said = run("work", "--db", shared)
    assert code == 2 and "--blobs" in said
