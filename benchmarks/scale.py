"""Very many images: speed and memory by number of workers, and kills at random moments.

    python benchmarks/scale.py speed              images/s and memory, processes and Ray, 1 and 2
    python benchmarks/scale.py kills --ray        kill -9 of worker, raylet and driver in turn
    python benchmarks/scale.py kills              the same of worker and driver without Ray
    python benchmarks/scale.py whole -n 20000     64 prompts through Ray, killed three times

`kills` and `whole` end with a comparison: the place holds the same files, bit for bit, as one of a
single process that nobody killed. Needs Linux (/proc).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"
PARTS = ("chest", "knee", "hand", "wrist", "ankle", "foot", "shoulder", "elbow")
WORDS = (
    "",
    ", adult",
    ", child",
    ", left",
    ", right",
    ", normal",
    ", adult, left",
    ", adult, right",
)


def prompts(count: int) -> list[str]:
    """64 different ones, or fewer."""
    return [f"{part} x-ray{words}" for words in WORDS for part in PARTS][:count]


class Work:
    """A run of `images` in `folder`, by the command that users give."""

    def __init__(self, base: Path, folder: str, asked: dict[str, int], *options: str) -> None:
        self.base, self.folder = base, base / folder
        self.listed = base / "prompts.csv"
        each, more = divmod(asked["images"], asked["prompts"])
        with self.listed.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("prompt", "n", "seed"))
            for number, prompt in enumerate(prompts(asked["prompts"])):
                writer.writerow((prompt, each + (number < more), 1_000_000 * number))
        self.command = [
            sys.executable, "-c", START, "generate", "--from", str(self.listed), "-o",
            str(self.folder), "--shards", str(asked["shards"]), *options,
        ]  # fmt: skip
        if asked["steps"]:
            self.command += ["--steps", str(asked["steps"])]

    def start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "OMP_NUM_THREADS": "1"}
        with (self.base / f"{self.folder.name}.log").open("ab") as log:
            return subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def shards(self) -> int:
        return len(list((self.folder / "parts").glob("*.json")))

    def digests(self) -> dict[str, str]:
        """Of every file, those half written too."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


def tree(root: int) -> dict[int, str]:
    """Process ids below one, with their command lines."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), []):
            try:
                said = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            found[pid] = said.decode(errors="replace").strip()
            waiting.append(pid)
    return found


def workers(found: dict[int, str]) -> list[int]:
    return [
        p for p, said in found.items() if said.startswith("ray::_Worker") or "spawn_main" in said
    ]


def memory(pids: list[int]) -> list[float]:
    """MB that are a process' own or its share of what several use (Pss)."""
    sizes = []
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                sizes.append(int(line.split()[1]) / 1024)
    return sizes


def core_seconds(pids: list[int]) -> float:
    """Of processes so far, with those that ended below them."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def speed(base: Path, images: int, steps: int) -> None:
    """Images a second from the first shard to the last, without the start."""
    asked = {"images": images, "prompts": 8, "shards": images // 4, "steps": steps}
    for ray in (False, True):
        for count in (1, 2):
            options = ["--workers", str(count), *(("--ray", "local") if ray else ())]
            work = Work(base, f"speed-{'ray' if ray else 'plain'}-{count}", asked, *options)
            began = time.monotonic()
            process = work.start()
            seen: list[tuple[float, int]] = []
            sizes: list[float] = []
            all_mb = 0.0
            cores: list[float] = []
            while process.poll() is None:
                time.sleep(0.1)
                done = work.shards()
                if done and (not seen or done > seen[-1][1]):
                    seen.append((time.monotonic(), done))
                    found = tree(process.pid)
                    cores.append(core_seconds([process.pid, *found]))
                    try:
                        now = memory(workers(found) or [process.pid])
                        every = sum(memory([process.pid, *found]))
                    except OSError:
                        continue
                    sizes, all_mb = max(sizes, now), max(all_mb, every)
            made = (seen[-1][1] - seen[0][1]) * 4
            rate = made / (seen[-1][0] - seen[0][0])
            figures = {
                "by": "Ray" if ray else "processes",
                "workers": count,
                "images": images,
                "images/s": round(rate, 3),
                "core_s/image": round((cores[-1] - cores[0]) / made, 4),
                "load": os.getloadavg()[0],
                "whole_s": round(seen[-1][0] - began, 1),
                "first_shard_s": round(seen[0][0] - began, 1),
                "worker_MB": [round(mb) for mb in sizes],
                "all_MB": round(all_mb),
            }
            print(json.dumps(figures), flush=True)


def killed(
    work: Work, kinds: list[str], kills: int, seed: int, most_s: float, shards: int = 0
) -> dict[str, int]:
    """Run to the end with so many kills at random moments; how many of each kind.

    shards: spread the kills over so many, each at a random number of finished ones.
    """
    rng = random.Random(seed)
    ripe = sorted(rng.sample(range(1, shards), kills)) if shards else [0] * kills
    done = dict.fromkeys(kinds, 0)
    starts = 0
    process = work.start()
    while True:
        left = kills - sum(done.values())
        until = time.monotonic() + rng.uniform(0.5, most_s)
        while process.poll() is None and (
            left == 0 or time.monotonic() < until or work.shards() < ripe[kills - left]
        ):
            time.sleep(0.05)
        if process.poll() is not None:
            if process.returncode == 0:
                return done | {"starts": starts + 1, "left": left}
            starts += 1
            time.sleep(1.0)
            process = work.start()
            continue
        kind = min(kinds, key=lambda k: (done[k], rng.random()))
        found = tree(process.pid)
        aims = {
            "driver": [process.pid],
            "worker": workers(found),
            "raylet": [p for p, said in found.items() if "/raylet " in said],
        }[kind]
        if aims:
            os.kill(rng.choice(aims), signal.SIGKILL)
            done[kind] += 1
            print(
                f"  {time.strftime('%H:%M:%S')} {kind} killed, {work.shards()} shards", flush=True
            )
            if kind == "driver":
                process.wait()
                for _ in range(300):  # what it left behind ends by itself
                    if not [p for p in found if Path(f"/proc/{p}").exists()]:
                        break
                    time.sleep(0.1)
                else:
                    print("  ! processes outlive the driver by 30 s", flush=True)


def compare(base: Path, asked: dict[str, int], options: list[str], how: dict) -> bool:
    one = Work(base, "one-process", asked, "--workers", "1")
    if not (one.folder / "manifest.csv").exists():
        began = time.monotonic()
        assert one.start().wait() == 0, (base / "one-process.log").read_text()
        print(f"one process: {time.monotonic() - began:.0f} s", flush=True)
    other = Work(base, "killed", asked, *options)
    shutil.rmtree(other.folder, ignore_errors=True)
    began = time.monotonic()
    done = killed(other, **how)
    same = one.digests() == other.digests()
    found = {"images": asked["images"], "same": same, "kills": done}
    print(json.dumps(found | {"seconds": round(time.monotonic() - began)}), flush=True)
    if not same:
        here, there = one.digests(), other.digests()
        print({name for name in here.keys() | there if here.get(name) != there.get(name)})
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "kills", "whole"))
    parser.add_argument("-n", type=int, default=0, help="images")
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--steps", type=int, default=0, help="of an image; 0: as users get them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files; else a temporary one")
    asked = parser.parse_args()
    base = asked.keep or Path(tempfile.mkdtemp(prefix="radsmith-scale-"))
    base.mkdir(exist_ok=True, parents=True)
    same = True
    if asked.what == "speed":
        speed(base, asked.n or 48, asked.steps)
    elif asked.what == "kills":
        images = asked.n or 160
        options = ["--workers", asked.workers, *(("--ray", "local") if asked.ray else ())]
        kinds = ["worker", "raylet", "driver"] if asked.ray else ["worker", "driver"]
        how = {"kinds": kinds, "kills": asked.kills or 21, "seed": asked.seed, "most_s": 20.0}
        sizes = {"images": images, "prompts": 8, "shards": images // 4, "steps": asked.steps}
        same = compare(base, sizes, options, how)
    else:
        images = asked.n or 20_000
        shards = max(8, images // 20)
        sizes = {"images": images, "prompts": 64, "shards": shards, "steps": asked.steps}
        options = ["--workers", asked.workers, "--ray", "local"]
        how = {"kinds": ["worker", "raylet", "driver"], "kills": asked.kills or 3,
               "seed": asked.seed, "most_s": 5.0,
               "shards": shards}  # fmt: skip
        same = compare(base, sizes, options, how)
    if asked.keep is None:
        shutil.rmtree(base)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
