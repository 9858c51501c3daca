"""What can be seen of a fine-tuning while it runs: previews, held-out loss, nearness to training.

Previews are drawn by the engine that users will have, of fixed prompts and seeds. The judge names
what they show and gives one of the spaces in which they are compared with training images; neither
changes the training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radsmith.engines.diffusers_engine import DiffusersEngine
from radsmith.engines.engine import Ask, ModelFacts
from radsmith.errors import NotFound
from radsmith.evaluation.copies import check_copies, near_copies, variants
from radsmith.evaluation.features import Space, pixel_space
from radsmith.evaluation.judge import Judge
from radsmith.evaluation.judge_files import load_judge
from radsmith.files import write_atomically
from radsmith.generation.plan import plan
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.image import Array, Image
from radsmith.images.npy import npy_of
from radsmith.images.provenance import Settings
from radsmith.language.prompt import Prompt
from radsmith.training.pipelines.data import TuningSet
from radsmith.training.pipelines.parts import Noised, Parts, Words, losses
from radsmith.training.pipelines.state import Encoded

MOST_HELD_OUT = 64
FEWEST_NULL = 20
MOST_NULL = 200
PLANTED = 64
_BLANK = ModelFacts(name="in training", digest="", images=None, together=None, engine="diffusers")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One image to be drawn again and again. words: what was asked, canonical."""

    prompt: Prompt
    words: str
    seed: int


def previews_of(prompts: Sequence[str], seed: int, each: int = 2) -> list[Preview]:
    """`each` seeds of every prompt. Raises InvalidInput for one with nothing to draw."""
    return [
        Preview(prompt=planned.prompt, words=planned.canonical, seed=seed + number)
        for planned in (plan(prompt, _BLANK) for prompt in prompts)
        for number in range(each)
    ]


def draw(parts: Parts, asked: Sequence[Preview], settings: Settings) -> list[Array]:
    """The previews as the pipeline now draws them: (side, side) each, in 0-1."""
    engine = DiffusersEngine(parts.pipe, _BLANK, parts.side)
    with parts.arithmetic(), torch.no_grad():
        return [
            engine.generate(
                Ask(
                    concepts=p.prompt.concepts,
                    absent=p.prompt.absent,
                    prompt=p.prompt,
                    seed=p.seed,
                    settings=settings,
                )
            )
            for p in asked
        ]


def kept_images(path: Path, images: Sequence[Array] | None = None) -> list[Array]:
    """Write images as one NPY, or read them back; empty where there is none."""
    if images is not None:
        write_atomically(path, npy_of(np.stack(images)))
        return list(images)
    return list(np.load(path, allow_pickle=False)) if path.exists() else []


def sheet(rows: Mapping[str, Sequence[Array]], asked: Sequence[Preview], title: str) -> bytes:
    """A PNG with one row of tiles for each name in `rows`."""
    tiles = [
        Tile(image=Image(pixels=image), caption=f"{name}: {preview.words} ({preview.seed})")
        for name, images in rows.items()
        for preview, image in zip(asked, images, strict=True)
    ]
    return contact_sheet(tiles, columns=len(asked), tile=192, title=title)


def held_out_loss(parts: Parts, words: Words, data: TuningSet, encoded: Encoded) -> float | None:
    """Loss on images of held-out patients; always the same noise, timesteps and images.

    Timesteps are spread evenly over the schedule. None where nobody is held out.
    """
    rng = np.random.default_rng(0)  # whatever the seed of the run
    numbers = rng.permutation(data.held_out)[:MOST_HELD_OUT]
    if not len(numbers):
        return None
    at = (np.arange(len(numbers)) + 0.5) / len(numbers) * parts.timesteps
    found = []
    for number, t in zip(numbers, at.astype(np.int64), strict=True):
        latents = encoded.latents[number][None]
        batch = Noised(
            latents=latents,
            noise=rng.standard_normal(latents.shape, np.float32),
            timesteps=t[None],
            sentences=[data.words[number]],
        )
        with torch.no_grad():
            found.append(float(losses(parts, words, batch)))
    return float(np.mean(found))


def spaces_of(judge: Judge | None) -> dict[str, Space]:
    """Feature spaces of the watch: gray levels, and the judge's last layer where there is one."""
    spaces: dict[str, Space] = {"pixels": pixel_space}
    if judge is not None:
        spaces["judge"] = lambda images: judge.judge(images).features
    return spaces


def find_judge() -> Judge | None:
    """The judge that ships with the package, None where it was left out."""
    try:
        return load_judge()
    except NotFound:
        return None


class CopyWatch:
    """Whether previews are copies of training images, by `privacy.check_copies` in each space.

    The null are images of held-out patients, the control planted near-copies. Both are drawn from
    the data set once, always the same.  Says None with fewer than FEWEST_NULL held-out images.
    """

    def __init__(
        self,
        data: TuningSet,
        encoded: Encoded,
        spaces: Mapping[str, Space],
        view: tuple[int, str],
    ) -> None:
        self._training = data.training
        self._encoded, self._spaces = encoded, spaces
        rng = np.random.default_rng(1)
        null = rng.permutation(data.held_out)[:MOST_NULL]
        self.able = len(null) >= FEWEST_NULL
        if not self.able:
            return
        planted = rng.permutation(self._training)[:PLANTED]
        unseen = [data.square(int(i), *view) for i in null]
        copies = near_copies([data.square(int(i), *view) for i in planted], rng)
        self._null = {name: variants(unseen, space) for name, space in spaces.items()}
        self._planted = {name: variants(copies, space) for name, space in spaces.items()}

    def __call__(self, images: Sequence[Array]) -> dict[str, dict[str, Any]] | None:
        """Per space: share of the images nearer than chance, the control's share, distances.

        A distance below 1 is nearer to a training image than 99 % of unseen patients' images are.
        """
        if not self.able:
            return None
        found = {}
        for name, space in self._spaces.items():
            check = check_copies(
                self._encoded.features[name][self._training],
                self._null[name],
                variants(images, space),
                self._planted[name],
            )
            found[name] = {
                "nearer": round(check.nearer, 4),
                "sensitivity": round(check.sensitivity, 4),
                "distance": [round(float(d), 4) for d in check.distance],
                "null": check.n_null,
            }
        return found


def judged(
    judge: Judge | None, asked: Sequence[Preview], images: Sequence[Array]
) -> dict[str, Any] | None:
    """How many previews show the modality and body part asked for, where the judge knows them."""
    if judge is None:
        return None
    known = [
        i
        for i, p in enumerate(asked)
        if all(c and judge.knows(c) for c in (p.prompt.modality, p.prompt.body_part))
    ]
    if not known:
        return {"right": 0, "of": 0}
    said = judge.judge([images[i] for i in known])
    named = zip(said.best("modality"), said.best("body_part"), strict=True)
    wanted = [(asked[i].prompt.modality, asked[i].prompt.body_part) for i in known]
    right = sum(one == other for one, other in zip(named, wanted, strict=True))
    return {"right": right, "of": len(known)}
