"""50 clients for 60 seconds against a server of our own on loopback; then it stops by itself.

Every client asks for one image at a time, as soon as it has the last. The bound: what as many
processes as the server has workers make without a server, measured right before. On a busy machine
core-seconds tell, and the least of the wall-clock times. Prints Markdown for docs/benchmarks.md.
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
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from speed import processor

from radsmith.engines.engine import Ask
from radsmith.engines.model_files import load_engine, load_facts
from radsmith.generation.plan import plan

CLIENTS, SECONDS, WORKERS, STARTS = 50, 60, 2, 5
PROMPT = "chest x-ray, PA view, adult, normal"
START = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"


def alone(seconds: float) -> tuple[int, float]:
    """Images one process makes without a server, and core-seconds for them."""
    engine = load_engine()
    concepts = plan(PROMPT, engine.facts).concepts
    engine.generate(Ask(concepts=concepts))
    until, made, spent = time.monotonic() + seconds, 0, time.process_time()
    while time.monotonic() < until:
        engine.generate(Ask(concepts=concepts, seed=made))
        made += 1
    return made, time.process_time() - spent


def bound(seconds: float = 15) -> tuple[float, float]:
    """Images a second of WORKERS processes without a server, and core-seconds an image."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        made, spent = (sum(n) for n in zip(*pool.map(alone, [seconds] * WORKERS), strict=True))
    return made / seconds, spent / made


@contextmanager
def started() -> Iterator[tuple[subprocess.Popen, str, float]]:
    """A server that listens, its address, and when its process was begun; stopped at the end."""
    with TemporaryDirectory() as folder:
        options = ("serve", "--data", folder, "--port", "0", "--workers", str(WORKERS))
        command = [sys.executable, "-c", START, *options, "--rate", "1000000"]
        began = time.monotonic()
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            yield server, server.stdout.readline().split()[1], began
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
            server.stdout.close()


def starts() -> list[tuple[float, float, float, float]]:
    """Of STARTS starts: seconds and core-seconds to the whole first page, then to readiness."""
    found = []
    for _ in range(STARTS):
        with started() as (server, url, began):
            httpx.get(url, timeout=60).raise_for_status()
            page = (time.monotonic() - began, core_seconds(server.pid))
            while httpx.get(f"{url}readyz", timeout=60).status_code != 200:
                time.sleep(0.02)
            found.append((*page, time.monotonic() - began, whole_core_seconds(server.pid)))
    return found


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


def whole_core_seconds(pid: int) -> float:
    """Of a process and its children."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    ids = [pid, *(int(child) for file in children for child in file.read_text().split())]
    return sum(map(core_seconds, ids))


def main() -> None:
    """Measure and print."""
    found = starts()
    most, cost = bound()
    with started() as (server, url, _):
        while httpx.get(f"{url}readyz", timeout=60).status_code != 200:
            time.sleep(0.05)
        before, workers_before = core_seconds(server.pid), whole_core_seconds(server.pid)
        seen, times, pages, whole = asyncio.run(load(url))
        spent = core_seconds(server.pid) - before
        spent_all = whole_core_seconds(server.pid) - workers_before
        memory = resident(server.pid)
    made = seen[200]
    page_s, page_cpu, ready_s, ready_cpu = (sorted(column) for column in zip(*found, strict=True))
    machine = f"{processor()}, {os.cpu_count()} cores (the clients run on them too)"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {WORKERS} workers,"
          f" model {load_facts().digest[:12]}, load {os.getloadavg()[2]:.0f}\n")  # fmt: skip
    print("| what | figure |\n|---|---|")
    print(
        f"| first page, {STARTS} starts | {np.median(page_cpu):.2f} core-s;"
        f" least {page_s[0]:.2f} s |"
    )
    print(f"| ready (`/readyz`), workers with it | {np.median(ready_cpu):.2f} core-s;"
          f" least {ready_s[0]:.2f} s |")  # fmt: skip
    print(f"| clients, time | {CLIENTS}, {whole:.0f} s |")
    statuses = ", ".join(f"{number} x {status}" for status, number in sorted(seen.items()))
    print(f"| answers | {statuses} |")
    print(f"| core-seconds an image: engine alone; served | {cost:.3f}; {spent_all / made:.3f}"
          f" ({spent_all / made / cost - 1:+.0%}) |")  # fmt: skip
    print(f"| of these in the server's own process | {spent / made:.3f} |")
    print(f"| images a second; without a server | {made / whole:.2f}; {most:.2f} |")
    for name, measured in (("image", times), ("page and reading meanwhile", pages)):
        a, b, c = np.percentile(measured, (50, 95, 99))
        print(f"| {name}: median, 95th, 99th percentile | {a:.2f} s, {b:.2f} s, {c:.2f} s |")
    print(f"| memory of the server's process, workers apart | {memory:.0f} MiB |")
    print(f"| exit code after SIGTERM | {server.returncode} |")


if __name__ == "__main__":
    main()
