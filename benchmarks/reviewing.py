"""A review of 2,000 cases by 5 readers: how long an answer takes, and that none is lost.

Makes a study of pictures of noise, serves it, and has simulated clients answer: one by one, then 50
at once for a minute, then with the server killed at random moments. SQLite, and PostgreSQL where
Debian's package is installed. `python benchmarks/reviewing.py [--cases N] [--seconds S]`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import httpx
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from radsmith.review.design import Design
from radsmith.review.gathering import Found
from radsmith.review.log import read_log
from radsmith.review.study import NewStudy, create_study, open_study
from radsmith.server.review.people import People
from radsmith.server.store.database import Database
from tests.server.conftest import Running

ACCEPT = {"verdict": "accept", "scores": {"realism": 2, "anatomy": 2}}
HEADER = {"X-Radsmith-Request": "benchmark"}
READERS, CLIENTS, KILLS = 5, 50, 20


def main() -> None:
    """Run and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cases", type=int, default=2000)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--db", default="", help="postgresql://… ; SQLite otherwise")
    options.add_argument("--kills", type=int, default=KILLS)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        images = pictures(base / "images", given.cases)
        began = time.monotonic()
        one = study(base / "five", images, READERS, reads=3)
        print(f"| study of {given.cases} cases made in | {time.monotonic() - began:.0f} s |")
        many = study(base / "fifty", images[::2], CLIENTS, reads=3)
        data = base / "data"
        tokens = people(data, given.db)
        running = Running(data, "--study", one, "--study", many, "--rate", 1000000, db=given.db)
        try:
            alone(running, one, tokens)
            together(running, many, tokens, given.seconds)
        finally:
            running.stop()
        killed(data, one, tokens, given)


def pictures(folder: Path, count: int) -> list[Path]:
    """Noise of 128x128."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    paths = [folder / f"{number:05}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(draw.integers(0, 255, (128, 128), np.uint8)).save(path, compress_level=1)
    return paths


def study(folder: Path, images: list[Path], readers: int, reads: int) -> Path:
    """A study of one phase with repeats."""
    names = [f"r{i}" for i in range(readers)]
    asked = NewStudy(
        name=folder.name,
        images=[Found(path=path) for path in images],
        readers=names,
        design=Design(controls=0, reads=reads, phases=1),
    )
    create_study(folder, asked, "2026-01-01T00:00:00+00:00", lambda done, total: None)
    return folder


def people(data: Path, db: str) -> list[str]:
    """Session tokens of CLIENTS readers: passwords are not what is measured."""
    data.mkdir(exist_ok=True)
    database = Database(db or f"sqlite:///{data / 'radsmith.sqlite3'}")
    try:
        known = People(database)
        for i in range(CLIENTS):
            known.add(f"r{i}", "reader", None, f"https://sso.example.org|{i}")
        return [known.login_by(f"https://sso.example.org|{i}") or "" for i in range(CLIENTS)]
    finally:
        database.close()


class Client:
    """A reader who accepts all."""

    def __init__(self, url: str, name: str, token: str, number: int) -> None:
        self.http = httpx.Client(base_url=f"{url}/review/api/studies/{name}", timeout=60)
        self.http.cookies.set("radsmith_review", token, path="/review")
        self.number = number
        self.times: list[float] = []
        self.acknowledged: list[str] = []
        self.coming = [one["read"] for one in self.http.get("/queue").json()["coming"]]

    def answer(self) -> bool:
        """One answer and its picture; whether there was anything to read."""
        if not self.coming:
            return False
        read = self.coming[0]
        self.http.get(f"/pictures/{read}").raise_for_status()
        request = f"{self.number:03}-{os.urandom(8).hex()}"
        body = {"request": request, "read": read, "answer": ACCEPT, "seconds": 1.0}
        began = time.perf_counter()
        told = self.http.post("/answers", json=body, headers=HEADER)
        took = time.perf_counter() - began
        told.raise_for_status()
        self.times.append(took)
        self.acknowledged.append(request)
        self.coming = [one["read"] for one in told.json()["coming"]]
        return True


def core_seconds(process: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say(title: str, times: list[float]) -> None:
    """Median, 95th and 99th percentile in ms."""
    cuts = quantiles(times, n=100)
    figures = ", ".join(f"{1000 * t:.1f}" for t in (median(times), cuts[94], cuts[98]))
    print(f"| {title}: median, 95th, 99th percentile of {len(times)} | {figures} ms |", flush=True)


def kept(folder: Path) -> set[str]:
    """Ids of all requests in the log, the chain checked."""
    return {event.get("id", "") for event in read_log(folder)[0]}


def alone(running: Running, folder: Path, tokens: list[str]) -> None:
    """Five readers, one after the other."""
    clients = [Client(running.url, folder.name, tokens[i], i) for i in range(READERS)]
    before = core_seconds(running.process.pid)
    for _ in range(60):
        for client in clients:
            client.answer()
    spent = 1000 * (core_seconds(running.process.pid) - before) / (60 * READERS)
    print(f"| core-ms of the server an answer and its picture | {spent:.1f} |")
    print(f"| load of {os.cpu_count()} cores meanwhile | {os.getloadavg()[0]:.1f} |")
    say("an answer, five readers in turn", [t for c in clients for t in c.times])
    assert {r for c in clients for r in c.acknowledged} <= kept(folder)


def together(running: Running, folder: Path, tokens: list[str], seconds: int) -> None:
    """CLIENTS readers at once, each as fast as it can, with a breath between."""
    clients = [Client(running.url, folder.name, token, i) for i, token in enumerate(tokens)]
    until = time.monotonic() + seconds

    def work(client: Client) -> None:
        while time.monotonic() < until and client.answer():
            time.sleep(1.0)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [t for client in clients for t in client.times]
    say(f"an answer, {CLIENTS} readers at once for {seconds} s", times)
    acknowledged = {r for c in clients for r in c.acknowledged}
    lost = acknowledged - kept(folder)
    print(f"| of {len(acknowledged)} acknowledged, lost | {len(lost)} |", flush=True)


def killed(data: Path, folder: Path, tokens: list[str], given: argparse.Namespace) -> None:
    """SIGKILL at random moments while five readers answer."""
    draw, acknowledged = random.Random(0), set()
    for _ in range(given.kills):
        running = Running(data, "--study", folder, "--rate", 1000000, db=given.db)
        clients = [Client(running.url, folder.name, tokens[i], i) for i in range(READERS)]

        def work(client: Client) -> None:
            try:
                while client.answer():
                    pass
            except httpx.HTTPError:
                return

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(draw.uniform(0.05, 1.0))
        running.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
        running.stop(signal.SIGKILL)
        acknowledged |= {r for c in clients for r in c.acknowledged}
    lost = acknowledged - kept(folder)
    open_study(folder)
    print(f"| {given.kills} kills: of {len(acknowledged)} acknowledged, lost | {len(lost)} |")


if __name__ == "__main__":
    main()
