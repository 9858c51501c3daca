"""Cost of one image, cold start and memory; ratios within one run, since machines are noisy.

The bound: the networks' multiplications at the rate of a large float32 matrix product on the
same core, a moment before. Prints Markdown for docs/benchmarks.md.
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
from threadpoolctl import threadpool_limits

from radsmith.engines.engine import Ask
from radsmith.engines.model_files import load_engine, load_facts, load_files
from radsmith.generation.plan import plan
from radsmith.images.provenance import Settings

PROMPT = "chest x-ray, PA view, adult, normal"
SIZE = 1024
USUAL = "usual settings"


def processor() -> str:
    """Model name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def sgemm_rate() -> float:
    """Multiply-adds per second of a 1024-cube float32 product on one core, best of 5."""
    a = np.ones((SIZE, SIZE), np.float32)
    best = float("inf")
    with threadpool_limits(1):
        a @ a
        for _ in range(5):
            began = time.process_time()
            a @ a
            best = min(best, time.process_time() - began)
    return SIZE**3 / best


def multiply_adds() -> dict[str, int]:
    """Of one call of each stage's network, counted by torch on zeros."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from radsmith.engines.default.stages import FINER
    from radsmith.training.from_onnx import network_from_onnx
    from radsmith.training.network import MAX_CONCEPTS, BaseDenoiser

    ids, t = torch.zeros(1, MAX_CONCEPTS, dtype=torch.long), torch.full((1,), 0.5)
    counts = {}
    for stage, stored in load_files().networks.items():
        network = network_from_onnx(stage, stored)
        if isinstance(network, BaseDenoiser):
            side = network.side
            example = (torch.zeros(1, 5, side, side), t, torch.zeros(1, 4), ids)
        else:
            low = FINER[stage].low_side
            fine = FINER[stage].output_side
            example = (
                torch.zeros(1, 3, fine, fine),
                torch.zeros(1, 1, low, low),
                t,
                t[:, None],
                ids,
            )
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(*example)
        counts[stage] = counter.get_total_flops() // 2
    return counts


def warm(count: int = 20) -> dict[str, float]:
    """Core-seconds per image by setting, medians."""
    engine = load_engine()
    concepts = plan(PROMPT, engine.facts).concepts
    found = {}
    settings = {
        USUAL: Settings(),
        "4 steps, no guidance": Settings(num_steps=4, guidance_scale=1),
        "4 steps, guidance 1.5": Settings(num_steps=4, guidance_scale=1.5),
        "2 steps, no guidance": Settings(num_steps=2, guidance_scale=1),
        "512x512": Settings(size=(512, 512)),
        "1024x1024": Settings(size=(1024, 1024)),
    }
    for name, setting in settings.items():
        engine.generate(Ask(concepts=concepts, settings=setting))
        times = []
        for seed in range(count if setting.num_steps < 10 and setting.size is None else 5):
            began = time.process_time()
            engine.generate(Ask(concepts=concepts, seed=seed, settings=setting))
            times.append(time.process_time() - began)
        found[name] = float(np.median(times))
    return found


def cold() -> tuple[float, float]:
    """Core-seconds and MiB of one cold `radsmith generate` that makes one image."""
    with TemporaryDirectory() as folder:
        code = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"
        command = [sys.executable, "-c", code, "generate", PROMPT, "-o", folder]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, after.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    core_s, memory = cold()
    rate = sgemm_rate()
    costs = warm()
    counts = multiply_adds()
    calls = {
        "base": 2 * Settings().num_steps if Settings().guidance_scale != 1 else Settings().num_steps
    }
    bound = sum(n * calls.get(stage, 1) for stage, n in counts.items()) / rate
    print(f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, one core, onnxruntime "
          f"{onnxruntime.__version__}, model {load_facts().digest[:12]}\n")  # fmt: skip
    print("| what | figure |\n|---|---|")
    for name, cost in costs.items():
        print(f"| one image, warm, {name} | {cost:.3f} core-s |")
    print(f"| large float32 product | {2 * rate / 1e9:.0f} GFLOP/s |")
    millions = ", ".join(f"{stage} {n / 1e6:.0f} M" for stage, n in counts.items())
    print(f"| multiply-adds of a call | {millions} |")
    print(
        f"| bound for {calls['base']} base calls and one of each finer stage | {bound:.3f} core-s |"
    )
    print(f"| image (usual settings) over bound | {costs[USUAL] / bound:.1f} |")
    print(f"| `radsmith generate`, cold, one image | {core_s:.2f} core-s, {memory:.0f} MiB peak |")


if __name__ == "__main__":
    main()
