"""Teach the default model a concept it never saw; does the judge see it, and what is forgotten?

    python benchmarks/finetune.py DATA -o OUT [--concept mip|inverted] [--steps N --rank R|0]

DATA is the data folder. `mip`: 200 maximum intensity projections of CT volumes of two patients, a
third held out. `inverted`: 200 radiographs of as many patients in inverted grayscale, words the
vocabulary lacks. A head on the judge's features, trained on real images of other patients (test
split, other volumes), names the concept; its accuracy on real images is printed beside.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from scipy.ndimage import rotate
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from radsmith.datasets.corpus import contents, load_corpus, read_manifest
from radsmith.datasets.labels import concepts_of
from radsmith.datasets.projection import body_only
from radsmith.engines.model_files import load_engine
from radsmith.evaluation.judge_files import load_judge
from radsmith.evaluation.probe import probe
from radsmith.files import cache_folder
from radsmith.generation.plan import make, plan
from radsmith.images.provenance import Request, Settings
from radsmith.images.stored import Stored
from radsmith.training.finetune import finetune
from radsmith.training.tuned_model import Tuning

COLUMNS = ("key", "shard", "width", "height", "modality", "body_part", "view", "technique",
           "findings", "patient_id", "sex", "laterality", "source", "age_group")  # fmt: skip
MIPS = {  # volume -> body part, images
    "acrin-flt-breast-001-upper": ("chest", 60),
    "acrin-flt-breast-001-lower": ("abdomen", 40),
    "acrin-flt-breast-013-chest": ("chest", 100),
    "cmb-crc-01068-chest": ("chest", 50),
}
OTHER_MIPS = {
    "cmb-crc-01068-chest": ("chest", 60),
    "cptac-pda-00189-upper-abdomen": ("abdomen", 60),
}
EACH_KIND = 30
IMAGES = 100


def mips(data: Path, volumes: dict[str, tuple[str, int]], seed: int):
    """Coronal slabs of 30-120 mm, turned by up to 25 degrees, brightest value along the ray."""
    for name, (part, count) in volumes.items():
        with np.load(data / "volumes" / f"{name}.npz") as stored:
            hu, spacing = body_only(stored["hu"]).astype(np.float32), stored["spacing"]
        hu = hu[int(0.45 * len(hu)) :] if name.endswith("upper") else hu  # below the head
        for number in range(count):
            rng = np.random.default_rng([seed, number, len(name)])
            turned = rotate(hu, rng.uniform(-25, 25), (1, 2), reshape=False, order=1, cval=-1000)
            depth = int(rng.uniform(30, 120) / spacing[1])
            middle = int(turned.shape[1] * rng.uniform(0.35, 0.65))
            slab = turned[:, max(0, middle - depth // 2) : middle + depth // 2 + 1].max(1)
            shown = np.clip((slab + 200) / rng.uniform(900, 1300), 0, 1)
            wide = int(shown.shape[1] * spacing[2] / spacing[0])
            picture = Picture.fromarray(np.uint8(shown * 255)).resize((wide, len(shown)))
            row = {"modality": "ct", "body_part": part, "view": "coronal", "patient_id": name[:20]}
            yield picture, row | {"technique": "maximum intensity projection", "source": "own_mip"}


def inverted(data: Path, split: str, count: int):
    """Chest radiographs of different patients in inverted grayscale."""
    corpus = load_corpus([data], cache_folder(), concepts_of, split)
    rows = read_manifest(data / f"{split}.csv")
    seen: set[str] = set()
    for i, row in enumerate(rows):
        if len(seen) >= count:
            return
        chest = row["modality"] == "x-ray" and row["body_part"] == "chest"
        if not chest or not row["patient_id"] or row["patient_id"] in seen:
            continue
        seen.add(row["patient_id"])
        image = contents(corpus)[i]
        kept = {k: row[k] for k in ("modality", "body_part", "view", "age_group", "patient_id")}
        yield (
            Picture.fromarray(np.uint8(255 - image * 255)),
            kept | {"technique": "technique:inverted-grayscale", "source": "own_inverted"},
        )


def write_set(folder: Path, images) -> int:
    """A data set as `radsmith import` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "train.csv").open("w", newline="") as file,
        tarfile.open(folder / "train-000.tar", "w") as tar,
    ):
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        number = -1
        for number, (picture, row) in enumerate(images):
            stream = io.BytesIO()
            picture.save(stream, "PNG")
            info = tarfile.TarInfo(f"own{number:05}.png")
            info.size = len(stream.getvalue())
            tar.addfile(info, io.BytesIO(stream.getvalue()))
            writer.writerow(row | {"key": f"own{number:05}", "shard": "train-000.tar"})
    return number + 1


class Head:
    """Logistic regression on the judge's features: a kind of the test split, or the concept."""

    def __init__(self, data: Path, concept, seed: int) -> None:
        self.judge = load_judge()
        corpus = load_corpus([data], cache_folder(), concepts_of, "test")
        pictures, kinds = contents(corpus), {}
        for i, ids in enumerate(corpus.concepts):
            kind = " ".join(c for c in ids if c.startswith(("modality:", "body_part:")))
            kinds.setdefault(kind, []).append(i)
        rng = np.random.default_rng(seed)
        images, names = list(concept), []
        names += ["the concept"] * len(images)
        for kind, index in kinds.items():
            chosen = rng.permutation(index)[:EACH_KIND]
            images += [pictures[int(i)] for i in chosen]
            names += [kind] * len(chosen)
        self.classes = len(set(names))
        self.model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        self.model.fit(self.judge.judge(Stored(images)).features, names)

    def share(self, images) -> float:
        """Of the images, how many it takes for the concept."""
        named = self.model.predict(self.judge.judge(Stored(images)).features)
        return float((named == "the concept").mean())


def drawn(engine, text: str, count: int):
    planned = plan(text, engine.facts)
    settings = Settings()
    for seed in range(count):
        yield make(engine, planned, Request(prompt=text, seed=seed, settings=settings), "")[
            0
        ].pixels


def probed(engine, judge) -> float:
    answers = [a for a in probe(engine, judge, 20, Settings(), 0, "") if a.known]
    return sum(a.right for a in answers) / (20 * len(answers))


def cpu() -> float:
    return sum(sum(resource.getrusage(w)[:2]) for w in (0, -1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", dest="out", type=Path, required=True)
    parser.add_argument("--concept", choices=("mip", "inverted"), default="mip")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rank", type=int, default=16)
    asked = parser.parse_args()
    own = asked.out / f"{asked.concept}-data"
    if asked.concept == "mip":
        made = list(mips(asked.data, MIPS, 0))
        others = [p for p, _ in mips(asked.data, OTHER_MIPS, 1)]
        prompt = "chest CT, coronal, maximum intensity projection"
    else:
        made = list(inverted(asked.data, "train", 222))
        others = [p for p, _ in inverted(asked.data, "test", 80)]
        prompt = "chest x-ray, AP view, inverted grayscale"
    write_set(own, made)
    real = [np.asarray(p, np.float32) / 255 for p, _ in made]
    head = Head(asked.data, [np.asarray(p, np.float32) / 255 for p in others], 0)
    out = asked.out / f"{asked.concept}-r{asked.rank}-s{asked.steps}.radsmith"
    tuning = Tuning(dataset=own, out=out, rank=asked.rank or None, steps=asked.steps)
    wall, used = time.monotonic(), cpu()

    def tell(what, facts):
        if what != "step" or facts["step"] % 50 == 0:
            print(what, json.dumps(facts, default=str)[:400], flush=True)

    finetune(tuning, tell)
    figures = {"wall_s": time.monotonic() - wall, "core_s": cpu() - used, "classes": head.classes}
    figures["head, real images it never saw"] = head.share(real)
    for name, engine in (("before", load_engine()), ("after", load_engine(out))):
        figures[f"{name}: recognised"] = head.share(list(drawn(engine, prompt, IMAGES)))
        figures[f"{name}: paper's prompts right"] = probed(engine, head.judge)
    (asked.out / f"{out.stem}.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
