"""The demo: 17 plain prompts (after Adams et al., JMIR 2023) and some with pathology, four each."""

from __future__ import annotations

from pathlib import Path

from radsmith.cli.console import ImageTally, summary, watch
from radsmith.cli.sheets import write_page, write_sheet
from radsmith.cli.terminal import terminal
from radsmith.engines.model_files import load_facts
from radsmith.errors import InvalidInput
from radsmith.evaluation.probe import PROMPTS
from radsmith.files import prepare_folder
from radsmith.generation.plan import plan
from radsmith.generation.run import ImageJob, run_jobs
from radsmith.images.provenance import Request

PATHOLOGY = (
    "Chest x-ray, AP view, child, bacterial pneumonia",
    "Chest x-ray, frontal view, adult, active tuberculosis",
    "Knee x-ray, PA view, severe osteoarthritis",
    "Thoracolumbar spine x-ray, scoliosis",
    "Brain MRI, axial, T1 post-contrast, meningioma",
    "Brain MRI, FLAIR, axial, multiple sclerosis",
    "Breast ultrasound, malignant breast mass",
    "Fetal head ultrasound, second trimester",
)
EACH = 4


def run_demo(folder: Path, workers: int) -> None:
    """Make every prompt's images as PNG and DICOM, two PNG sheets and an HTML page."""
    console = terminal(results=True)
    facts = load_facts()
    prepare_folder(folder / "images")
    jobs = []
    for text in (*PROMPTS, *PATHOLOGY):
        planned = plan(text, facts)
        for seed in range(EACH):
            path = folder / "images" / f"{planned.stem}-{seed}"
            request = Request(prompt=text, seed=seed)
            jobs.append(
                ImageJob(plan=planned, request=request, path=path, formats=("png", "dicom"))
            )
    tally = ImageTally()
    outcomes = run_jobs(jobs, model=None, workers=workers, force=True)
    watch(console, outcomes, len(jobs), len(jobs), tally)
    if tally.failed:
        raise InvalidInput(tally.failed[0][2])
    order = {job.path: number for number, job in enumerate(jobs)}
    shown = sorted(tally.shown, key=lambda o: order[o.job.path])
    cut = EACH * len(PROMPTS)
    for name, part in (("prompts", shown[:cut]), ("pathology", shown[cut:])):
        write_sheet(folder / f"{name}.png", part, f"radsmith demo: {name}", columns=2 * EACH)
    write_page(folder / "index.html", shown, "radsmith demo")
    lines = (
        f"{summary(tally, folder)}, each as PNG and DICOM in {folder / 'images'}",
        f"look at {folder / 'index.html'} (or prompts.png, pathology.png beside it)",
        "where a heading on the page warns, the model never learned this or saw too little of it",
        "draw in the browser: make studio (or pip install 'radsmith[serve]' and radsmith serve)",
    )
    for line in lines:
        console.print(line, soft_wrap=True)
