"""50 clients for 60 seconds against a server of our own on loopback; then it stops by itself.

Every client asks for one image at a time, as soon as it has the last. The bound: what as many
processes as the server has workers make without a server, measured right before. Prints Markdown
for docs/benchmarks.md.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from speed import processor

from radsmith.adapters.model_files import load_engine, load_facts
from radsmith.generate import plan
from radsmith.generation import Settings

CLIENTS, SECONDS, WORKERS = 50, 60, 2
PROMPT = "chest x-ray, PA view, adult, normal"
START = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"


def alone(seconds: float) -> int:
    """Images one process makes without a server."""
    engine = load_engine()
    concepts = plan(PROMPT, engine.facts).concepts
    engine.generate(concepts, 0, Settings())
    until, made = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        engine.generate(concepts, made, Settings())
        made += 1
    return made


def bound(seconds: float = 15) -> float:
    """Images a second of WORKERS processes without a server."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        return sum(pool.map(alone, [seconds] * WORKERS)) / seconds


async def client(http: httpx.AsyncClient, until: float, seen: Counter, times: list) -> None:
    """Ask for images one after another until the time is up."""
    while time.monotonic() < until:
        began = time.monotonic()
        answer = await http.post("/v1/images/generations", json={"prompt": PROMPT})
        times.append(time.monotonic() - began)
        seen[answer.status_code] += 1


async def watch(http: httpx.AsyncClient, until: float, pages: list) -> None:
    """How long the studio's page and a reading of a prompt take meanwhile."""
    while time.monotonic() < until:
        began = time.monotonic()
        await http.get("/")
        await http.get("/studio/read", params={"prompt": PROMPT})
        pages.append(time.monotonic() - began)
        await asyncio.sleep(0.5)


async def load(url: str) -> tuple[Counter, list, list, float]:
    """Answers by status, their times, the pages' times, and the whole time."""
    seen: Counter = Counter()
    times: list = []
    pages: list = []
    limits = httpx.Limits(max_connections=CLIENTS + 1)
    async with (
        httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as http,
        httpx.AsyncClient(base_url=url, timeout=300) as page,
    ):
        until = (began := time.monotonic()) + SECONDS
        clients = [client(http, until, seen, times) for _ in range(CLIENTS)]
        await asyncio.gather(*clients, watch(page, until, pages))
        return seen, times, pages, time.monotonic() - began


def resident(pid: int) -> float:
    """MiB in memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def core_seconds(pid: int) -> float:
    """Core-seconds one process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    most = bound()
    with TemporaryDirectory() as folder:
        options = ("serve", "--data", folder, "--port", "0", "--workers", str(WORKERS))
        command = [sys.executable, "-c", START, *options, "--rate", "1000000"]
        began = time.monotonic()
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = server.stdout.readline().split()[1]
            httpx.get(url, timeout=30).raise_for_status()
            first_page, spent = time.monotonic() - began, core_seconds(server.pid)
            while httpx.get(f"{url}readyz").status_code != 200:
                time.sleep(0.05)
            ready = time.monotonic() - began
            seen, times, pages, whole = asyncio.run(load(url))
            memory = resident(server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(60)
    rate = seen[200] / whole
    machine = f"{processor()}, {os.cpu_count()} cores (the clients run on them too)"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {WORKERS} workers,"
          f" model {load_facts().digest[:12]}\n")  # fmt: skip
    print("| what | figure |\n|---|---|")
    print(f"| first page after the start | {first_page:.2f} s, {spent:.2f} core-s |")
    print(f"| workers ready | {ready:.2f} s |")
    print(f"| clients, time | {CLIENTS}, {whole:.0f} s |")
    statuses = ", ".join(f"{number} x {status}" for status, number in sorted(seen.items()))
    print(f"| answers | {statuses} |")
    print(f"| images a second; without a server | {rate:.2f}; {most:.2f} ({rate / most:.0%}) |")
    for name, found in (("image", times), ("page and reading meanwhile", pages)):
        a, b, c = np.percentile(found, (50, 95, 99))
        print(f"| {name}: median, 95th, 99th percentile | {a:.2f} s, {b:.2f} s, {c:.2f} s |")
    print(f"| memory of the server's process, workers apart | {memory:.0f} MiB |")
    print(f"| exit code after SIGTERM | {code} |")


if __name__ == "__main__":
    main()
