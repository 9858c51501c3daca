"""Trains the copy detector: a small network that puts an image beside its copies.

A siamese network (contrastive loss, Chen et al. 2020, eq. 1): two views of one image are to lie
near each other, views of other patients' images of the same kind far away. Views are made by
crops, turns, changes of intensity and resolution, and by the shipped model's `vary` at low
strength, because copies made by generation are what plain distances miss. Kinds of image named as
untouched are never tuned on, so that its sensitivity is measured on kinds it does not know.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radsmith.datasets.corpus import Corpus, contents
from radsmith.editing.operations import Source, Task, vary
from radsmith.engines.engine import Engine
from radsmith.evaluation.audit.detector import NAME, SIDE
from radsmith.evaluation.real_set import kind_name, kinds_of
from radsmith.images.image import Image
from radsmith.images.provenance import Request, Settings
from radsmith.training.judge import export_onnx

FEATURES = 128
UNTOUCHED = (
    "knee x-ray", "foot x-ray", "fetal head ultrasound", "ovary ultrasound",
)  # fmt: skip
_POOLED = 128
_FEWEST = 32


@dataclass(frozen=True, kw_only=True)
class DetectorRecipe:
    """pairs: in a step, all of one kind.  varied: images redrawn by the engine beforehand."""

    steps: int = 1200
    pairs: int = 64
    varied: int = 700
    learning_rate: float = 2e-3
    temperature: float = 0.07
    untouched: tuple[str, ...] = UNTOUCHED
    seed: int = 0
    threads: int = 1


class DetectorNetwork(nn.Module):
    """(n, 1, SIDE, SIDE) in 0-1, letterboxed, to directions (n, FEATURES) of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _layer(2, 16, 5, 2)
        self.down = nn.ModuleList(
            [_layer(16, 32, 3, 2), _layer(32, 64, 3, 2), _layer(64, 96, 3, 2)]
        )
        self.same = nn.ModuleList(
            [_layer(32, 32, 3, 1), _layer(64, 64, 3, 1), _layer(96, 96, 3, 1)]
        )
        self.head = nn.Linear(96 * (SIDE // 16) ** 2, FEATURES)

    def forward(self, image: Tensor) -> Tensor:
        """Local contrast (Jarrett et al. 2009, section 3.1) at two widths, then convolutions."""
        x = self.stem(torch.cat([_local_contrast(image, 2), _local_contrast(image, 6)], 1))
        for down, same in zip(self.down, self.same, strict=True):
            x = down(x)
            x = x + same(x)
        return functional.normalize(self.head(x.flatten(1)), dim=1)


def _layer(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.SiLU())


def _local_contrast(image: Tensor, coarser: int) -> Tensor:
    """Departures from the mean of about 7 * coarser pixels, in their local spread."""

    def mean(x: Tensor) -> Tensor:
        fewer = functional.avg_pool2d(x, coarser)
        smooth = functional.avg_pool2d(fewer, 7, 1, 3, count_include_pad=False)
        return functional.interpolate(smooth, size=(SIDE, SIDE), mode="bilinear")

    centred = image - mean(image)
    return centred / torch.sqrt(mean(centred * centred) + 0.02**2)


@dataclass(frozen=True, kw_only=True)
class Varied:
    """Images that the engine redrew: their numbers in the corpus and (n, 256, 256) uint8."""

    index: NDArray[np.int64]
    pixels: NDArray[np.uint8]


def varied_images(
    corpus: Corpus,
    index: NDArray[np.int64],
    engine: Engine,
    seed: int,
    tell: Callable[[str], None] = lambda text: None,
) -> Varied:
    """Each image redrawn once, at a strength of 0.1-0.5."""
    rng = np.random.default_rng([seed, 1])
    pictures = contents(corpus)
    made = np.zeros((len(index), *corpus.pixels.shape[1:]), np.uint8)
    for k, i in enumerate(index):
        levels = np.round(pictures[int(i)] * 255).astype(np.uint8)
        request = Request(prompt="", seed=seed + k, settings=Settings())
        task = Task(engine=engine, planned=None, request=request, created="")
        source = Source(image=Image(pixels=levels, unit="stored value"))
        edited = vary(source, float(rng.uniform(0.1, 0.5)), task).image.pixels
        top, left = ((256 - n) // 2 for n in edited.shape)
        made[k, top : top + edited.shape[0], left : left + edited.shape[1]] = edited
        if k % 50 == 0:
            tell(f"{k} of {len(index)} images varied")
    return Varied(index=np.asarray(index, np.int64), pixels=made)


def views(
    pixels: NDArray[np.uint8],
    frames: NDArray[np.int64],
    rng: np.random.Generator,
    strength: float = 1.0,
) -> Tensor:
    """A view of each letterboxed image (n, 256, 256): (n, 1, SIDE, SIDE) in 0-1.

    frames: (n, 2) content width and height.  strength 0: the image as the detector sees it.
    """
    n = len(pixels)
    image = functional.avg_pool2d(torch.from_numpy(pixels).float()[:, None] / 255, 256 // _POOLED)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (n, 1, 1)).astype(np.float32)) * strength

    grid, inside = _places(torch.from_numpy(frames.astype(np.float32)) / 256, draw)
    fewer = functional.avg_pool2d(image, 4)
    some = (draw(0, 1) * (draw(0, 1) > 0.6)).reshape(n, 1, 1, 1)
    grain = torch.from_numpy(rng.standard_normal(fewer.shape, np.float32)) * 0.06
    coarse = functional.interpolate(fewer + grain, scale_factor=4, mode="bicubic")
    image = image + some * (coarse - image)
    seen = functional.grid_sample(image, grid, align_corners=False) * inside[:, None]
    gamma = torch.exp(draw(-0.4, 0.4)).reshape(n, 1, 1, 1)
    gain = (1 + draw(-0.2, 0.2)).reshape(n, 1, 1, 1)
    level = draw(0, 0.05).reshape(n, 1, 1, 1)
    noise = torch.from_numpy(rng.standard_normal(seen.shape, np.float32)) * inside[:, None]
    return (gain * seen.clamp(1e-4, 1) ** gamma + level * noise).clamp(0, 1)


def _places(frames: Tensor, draw: Callable[[float, float], Tensor]) -> tuple[Tensor, Tensor]:
    """Where each pixel of a view comes from, in -1 to 1, and whether it lies in the crop.

    The image is turned about its middle, cropped to 78 % or more a side, then letterboxed anew.
    """
    width, height = frames[:, 0, None, None], frames[:, 1, None, None]  # of 1, in -1..1 halves
    angle = draw(-0.2, 0.2)
    across, down = width * (1 - draw(0, 0.22)), height * (1 - draw(0, 0.22))
    x0, y0 = (width - across) * draw(-1, 1), (height - down) * draw(-1, 1)
    longer = torch.maximum(across, down)
    line = (torch.arange(SIDE, dtype=torch.float32) + 0.5) / SIDE * 2 - 1
    x, y = line[None, None, :] * longer, line[None, :, None] * longer
    inside = ((x.abs() <= across) & (y.abs() <= down)).float()
    x, y = x + x0, y + y0
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1), inside


def contrastive_loss(one: Tensor, two: Tensor, temperature: float) -> Tensor:
    """Each view (n, d) is to find its partner among the others' views, both ways."""
    table = one @ two.T / temperature
    wanted = torch.arange(len(one))
    return (functional.cross_entropy(table, wanted) + functional.cross_entropy(table.T, wanted)) / 2


def train_detector(
    corpus: Corpus,
    varied: Varied,
    recipe: DetectorRecipe,
    tell: Callable[[str], None] = lambda text: None,
) -> DetectorNetwork:
    """Train on the corpus' images that are not held out, of all kinds but the untouched."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    pools = tuned_on(corpus, recipe.untouched)
    weight = np.sqrt([len(pool) for pool in pools])
    network = DetectorNetwork().train()
    redrawn = {int(i): k for k, i in enumerate(varied.index)}
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=0.02)
    began, recent = time.monotonic(), []
    for step in range(recipe.steps):
        rng = np.random.default_rng([recipe.seed, step])
        pool = pools[rng.choice(len(pools), p=weight / weight.sum())]
        index = _strangers(corpus, pool, redrawn, recipe.pairs, rng)
        left = views(np.stack([corpus.pixels[i] for i in index]), corpus.frames[index], rng, 0.3)
        other = [varied.pixels[redrawn[i]] if i in redrawn else corpus.pixels[i] for i in index]
        right = views(np.stack(other), corpus.frames[index], rng)
        one, two = network(torch.cat([left, right])).chunk(2)
        loss = contrastive_loss(one, two, recipe.temperature)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(
                1, (step + 1) / 50, 0.02 + 1.5 * (1 - step / recipe.steps)
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        recent.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            seconds = time.monotonic() - began
            tell(f"step {step + 1}: loss {np.mean(recent):.3f}, {seconds:.0f} s")
            recent = []
    return network.eval()


def tuned_on(corpus: Corpus, untouched: Sequence[str]) -> list[NDArray[np.int64]]:
    """Numbers of the images of each kind that may be trained on."""
    found = []
    for kind, index in kinds_of(corpus.concepts).items():
        pool = np.array([i for i in index if not corpus.held_out[i]], np.int64)
        if kind_name(kind) not in untouched and len(pool) >= _FEWEST:
            found.append(pool)
    return found


def _strangers(
    corpus: Corpus,
    pool: NDArray[np.int64],
    redrawn: dict[int, int],
    count: int,
    rng: np.random.Generator,
) -> list[int]:
    """One image of each of `count` patients at most, a third of them redrawn where there are."""
    chosen: dict[str, int] = {}
    order = rng.permutation(pool)
    first = [int(i) for i in order if int(i) in redrawn][: count // 3]
    for i in [*first, *(int(i) for i in order)]:
        chosen.setdefault(corpus.patients[i], i)
        if len(chosen) == count:
            break
    return list(chosen.values())


def export_detector(network: DetectorNetwork, folder: Path, facts: dict[str, Any]) -> Path:
    """Write the ONNX file (weights in half precision) and its sidecar; returns the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}.onnx"
    export_onnx(network, path, ["features"], SIDE, 1)
    config = {"side": SIDE, "digest": hashlib.sha256(path.read_bytes()).hexdigest()} | facts
    sidecar = folder / f"{NAME}.json"
    sidecar.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return sidecar


def make_detector(
    corpus: Corpus,
    engine: Engine,
    folder: Path,
    recipe: DetectorRecipe,
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """Redraw, train, export; returns the sidecar."""
    rng = np.random.default_rng([recipe.seed, 2])
    pools = tuned_on(corpus, recipe.untouched)
    share = recipe.varied / sum(np.sqrt(len(p)) for p in pools)
    index = np.concatenate([rng.permutation(p)[: round(share * np.sqrt(len(p)))] for p in pools])
    varied = varied_images(corpus, index, engine, recipe.seed, tell)
    network = train_detector(corpus, varied, recipe, tell)
    facts = {
        "recipe": asdict(recipe),
        "images": int(sum(len(p) for p in pools)),
        "varied_by": engine.facts.digest,
        "split": "the training split without the generator's held-out patients",
    }
    return export_detector(network, folder, facts)
