"""Real servers in processes of their own, on SQLite and, where Debian's PostgreSQL is, on it."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

START = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"


def command(*args):
    return [sys.executable, "-c", START, *map(str, args)]


class Running:
    """A server process. `url` once it listens."""

    def __init__(self, folder, *args, db=""):
        options = ["--data", folder, "--port", 0, "--workers", 1, *args]
        if db:
            options += ["--db", db]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self.log = Path(folder).parent / f"{Path(folder).name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("serve", *options),
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )
        line = self.process.stdout.readline()
        assert line.startswith("studio: "), line + self.log.read_text()
        self.url = line.removeprefix("studio: ").strip().rstrip("/")

    def workers(self):
        """Process ids of the workers (not of multiprocessing's own tracker)."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        ids = [int(pid) for file in children for pid in file.read_text().split()]
        return [p for p in ids if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


class Studio:
    """What the studio's page does: a session cookie and its token."""

    opened: ClassVar = []

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, timeout=120)
        self.opened.append(self.http)
        page = self.http.get("/").text
        self.token = re.search(r'name="token" content="([^"]+)"', page)[1]

    def post(self, path, **body):
        return self.http.post(path, json=body, headers={"X-Radsmith-Request": self.token})

    def generate(self, **body):
        answer = self.post("/studio/generate", **body)
        assert answer.status_code == 202, answer.text
        return answer.json()["batch"]

    def wait(self, batch):
        """Follow the events to the end; the closed batch."""
        with self.http.stream("GET", f"/studio/batches/{batch}/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    view = json.loads(line.removeprefix("data: "))
                    if not view["open"]:
                        return view
        raise AssertionError("the events ended before the batch")

    def history(self, **query):
        answer = self.http.get("/studio/history", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["batches"]


@pytest.fixture
def serve(tmp_path):
    """Start servers that end with the test."""
    running = []

    def start(*args, folder=tmp_path / "data", db=""):
        running.append(Running(folder, *args, db=db))
        return running[-1]

    yield start
    while Studio.opened:
        Studio.opened.pop().close()
    for server in running:
        server.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def postgres():
    """URL of a PostgreSQL server of our own, without a database's name."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found and not shutil.which("pg_ctl"):
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    programs = found[-1].parent if found else Path(shutil.which("pg_ctl")).parent
    base = Path(tempfile.mkdtemp(prefix="radsmith-postgres-"))  # pytest's own are root's alone
    as_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(base, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = base / "data"

    def run(*args):
        done = subprocess.run([*as_user, *map(str, args)], capture_output=True, cwd=base)
        assert done.returncode == 0, done.stderr.decode()

    run(programs / "initdb", "-D", data, "-A", "trust", "-U", "radsmith", "--no-sync", "-E", "UTF8")
    options = f"-p {port} -k {base} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(programs / "pg_ctl", "-D", data, "-w", "-l", base / "log", "-o", options, "start")
    yield f"postgresql://radsmith@127.0.0.1:{port}"
    run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(base)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite3'}"
    import psycopg

    base = request.getfixturevalue("postgres")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{base}/{name}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server for the tests of a module; it must end well, without a traceback."""
    running = Running(tmp_path_factory.mktemp("server") / "data", "--rate", 100000)
    yield running
    assert running.stop() == 0, running.log.read_text()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def client(server):
    """OpenAI's own client of it."""
    openai = pytest.importorskip("openai")
    options = {"api_key": "any", "max_retries": 0, "timeout": 120}
    with openai.OpenAI(base_url=f"{server.url}/v1", **options) as opened:
        yield opened
