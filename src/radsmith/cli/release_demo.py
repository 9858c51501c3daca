"""The walk from prompts to a bundle that a receiver checked and loaded, on this machine alone.

No reader and no audit can be had in a demonstration: the judge sits in a reader's place and is
named so in the bundle, and the audit is waived by name.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from radsmith.cli.releasing import say_released, say_verdict
from radsmith.cli.terminal import terminal
from radsmith.clock import now
from radsmith.engines.model_files import load_facts
from radsmith.errors import InvalidInput, Unavailable
from radsmith.evaluation.judge_files import load_judge
from radsmith.files import prepare_folder, write_atomically
from radsmith.generation.plan import plan
from radsmith.generation.run import ImageJob, run_jobs
from radsmith.images.pictures import read_image, read_record
from radsmith.images.provenance import Request
from radsmith.marks.keys import make_key
from radsmith.release.integrity import Trust
from radsmith.release.request import ReleaseRequest
from radsmith.release.run import release
from radsmith.release.verify import VerifyRequest, verify

PROMPTS = (
    "Chest x-ray, PA view, adult, normal",
    "Knee x-ray, PA view, severe osteoarthritis",
    "Brain MRI, axial, T1 post-contrast, meningioma",
)
EACH = 4
READER = "simulated: the judge in a reader's place; no person looked"


def run_release_demo(folder: Path, workers: int) -> None:
    """Generate, judge, release, verify and load; every step says what it did."""
    console = terminal(results=True)
    for part in ("images", "bundle", "key"):
        shutil.rmtree(folder / part, ignore_errors=True)
    prepare_folder(folder / "images")
    files = _generate(folder / "images", workers)
    console.print(f"1. generated {len(files)} images: {folder / 'images'}", soft_wrap=True)
    verdicts = folder / "verdicts.json"
    accepted = _judge(files, verdicts)
    console.print(f"2. {READER}: {accepted} of {len(files)} accepted: {verdicts}", soft_wrap=True)
    key = make_key(folder / "key" / "demo.key", "radsmith demo, nobody")
    console.print("3. privacy audit: waived by name; it needs the training images", soft_wrap=True)
    request = ReleaseRequest(
        source=folder / "images",
        out=folder / "bundle",
        title="radsmith demo",
        accepted=verdicts,
        without_audit=True,
        formats=("dicom", "webdataset"),
    )
    made = now()
    done = release(request, key, made, lambda *_: None, load_judge())
    console.print(f"4. released: {folder / 'bundle'}", soft_wrap=True)
    say_released(console, done)
    trust = Trust(fingerprint=key.public.fingerprint)
    verdict = verify(VerifyRequest(bundle=folder / "bundle", trust=trust))
    console.print("5. what a receiver sees: radsmith verify", soft_wrap=True)
    say_verdict(verdict)
    if not verdict.holds:
        raise InvalidInput(f"the demo's own bundle does not hold: {verdict.findings[0]}")
    console.print(f"6. {_loaded(folder / 'bundle')}", soft_wrap=True)
    console.print(f"look at {folder / 'bundle/data/scorecard.html'}", soft_wrap=True)


def _generate(folder: Path, workers: int) -> list[Path]:
    facts = load_facts()
    jobs = []
    for text in PROMPTS:
        planned = plan(text, facts)
        for seed in range(EACH):
            path, request = folder / f"{planned.stem}-{seed}", Request(prompt=text, seed=seed)
            jobs.append(ImageJob(plan=planned, request=request, path=path, formats=("png",)))
    for outcome in run_jobs(jobs, model=None, workers=workers, force=True):
        if outcome.error is not None:
            raise outcome.error
    return [job.files[0] for job in jobs]


def _judge(files: list[Path], path: Path) -> int:
    """Verdicts as a study exports them; returns how many were accepted."""
    judge = load_judge()
    said = judge.judge([read_image(f).pixels.astype(np.float32) / 255 for f in files])
    best = {kind: said.best(kind) for kind in ("modality", "body_part")}
    images: list[dict[str, Any]] = []
    for number, file in enumerate(files):
        asked = [c for c in read_record(file).concepts if c.partition(":")[0] in best]
        right = all(best[c.partition(":")[0]][number] == c for c in asked if judge.knows(c))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        verdict = "accept" if right else "reject"
        images.append({"file": file.name, "sha256": digest, "verdict": verdict, "reads": 1})
    accepted = sum(image["verdict"] == "accept" for image in images)
    study: dict[str, Any] = {"study": "demo", "rule": READER, "log_head": "", "images": images}
    study |= {"rejected": len(images) - accepted, "undecided": 0, "simulated_readers": ["judge"]}
    write_atomically(path, json.dumps(study, indent=1).encode() + b"\n")
    return accepted


def _loaded(bundle: Path) -> str:
    try:
        return f"loaded by Hugging Face's datasets: {_load(bundle)}"
    except Unavailable as error:
        return f"not loaded: {error}"


def _load(bundle: Path) -> str:
    """Rows by split, as Hugging Face's datasets reads the bundle."""
    import os
    from importlib.util import find_spec

    if find_spec("datasets") is None:
        raise Unavailable("datasets is not installed: pip install datasets")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import tempfile
    from importlib import import_module

    load_dataset = import_module("datasets").load_dataset
    with tempfile.TemporaryDirectory() as cache:
        found = load_dataset("imagefolder", data_dir=str(bundle / "data/images"), cache_dir=cache)
        return ", ".join(f"{len(rows)} {split}" for split, rows in sorted(found.items()))
