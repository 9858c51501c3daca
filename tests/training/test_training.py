"""A whole training run on a handful of made-up images: fit, train, resume, export, generate."""

import csv
import io
import json
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image as Picture
from safetensors.numpy import load_file

from radsmith.datasets.corpus import load_corpus
from radsmith.datasets.labels import concepts_of
from radsmith.engines.default.stages import NATIVE
from radsmith.engines.engine import Ask
from radsmith.engines.model_files import load_engine
from radsmith.errors import InvalidInput
from radsmith.generation.plan import plan
from radsmith.images.provenance import Settings
from radsmith.images.resize import resize
from radsmith.training.export import to_onnx
from radsmith.training.from_onnx import network_from_onnx
from radsmith.training.loop import build
from radsmith.training.network import BaseDenoiser, BaseParams
from radsmith.training.run import adopt, run

COLUMNS = [
    "key",
    "shard",
    "width",
    "height",
    "modality",
    "body_part",
    "view",
    "technique",
    "findings",
    "caption",
    "patient_id",
    "sex",
    "age",
    "laterality",
    "source",
    "origin",
    "age_group",
]


def make_data(folder, parts=("chest", "knee"), shape=(40, 30)):
    rng = np.random.default_rng(0)
    with (
        tarfile.open(folder / "train-000.tar", "w") as tar,
        (folder / "train.csv").open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for i in range(48):
            part = parts[i % 2]
            pixels = np.clip(rng.normal(60 + 80 * (i % 2), 20, shape), 0, 255).astype(np.uint8)
            data = io.BytesIO()
            Picture.fromarray(pixels).save(data, "PNG")
            info = tarfile.TarInfo(f"image{i}.png")
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))
            row = {"key": f"image{i}", "shard": "train-000.tar", "modality": "x-ray"}
            row |= {"width": shape[1], "height": shape[0]}
            writer.writerow(
                row | {"body_part": part, "source": "made", "patient_id": f"{parts[0]}{i}"}
            )


def test_a_run_stops_goes_on_and_ends_in_a_model_that_generates(tmp_path):
    make_data(tmp_path)
    config = tmp_path / "config.toml"
    text = (
        f'data = "{tmp_path}"\nstate = "{tmp_path}/state"\n[prior]\nbasis = 8\nrank = 4\n'
        "[sizes.base]\nchannels = [8, 8, 8]\nwidth = 16\ndepth = 1\nheads = 2\n"
        "[sizes.mend]\nchannels = 8\ndepth = 1\n[sizes.octave]\nchannels = 8\n"
        "depth = 1\n[sizes.detail]\nchannels = 8\ndepth = 1\n[recipe]\n"
        "batch_size = 4\nmax_steps = "
    )
    knee = "modality:x-ray body_part:knee"
    other = '"modality:x-ray nowhere body_part:knee" = 0.9'
    for wrong in (f'"{knee}" = 0.1', f'"{knee}" = true', '"modality:x-ray" = 0.9', other):
        config.write_text(f"{text}1\n[deviation]\n{wrong}\n")
        with pytest.raises(InvalidInput, match="deviation"):
            run(config)
    assert not (tmp_path / "state").exists(), "found out before anything is trained"
    for steps in (1, 2):
        config.write_text(f'{text}{steps}\n[deviation]\n"{knee}" = 0.8\n')
        model = run(config)
    told = load_engine(model)._model.components.deviations()
    assert told[knee] == pytest.approx(0.8) and told["modality:x-ray body_part:chest"] == 1
    log = (tmp_path / "state/run/base.log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2]
    engine = load_engine(model)
    image = engine.generate(
        Ask(concepts=("modality:x-ray", "body_part:knee"), settings=Settings(num_steps=1))
    )
    assert image.shape == (256, 192)
    assert 15 <= engine.facts.images["body_part:knee"] <= 24
    assert (tmp_path / "state/run/samples-2.png").is_file()
    goes_on_with_drawn_images(tmp_path, text)


def goes_on_with_drawn_images(tmp_path, text):
    """The finer stages learn on what the stages before draw."""
    config = tmp_path / "config.toml"
    second = f"{text}4\nsquared_steps = 0\ncritic_warmup = 1\ndrawn = 6\n"
    config.write_text(f'stages = ["mend", "octave", "detail"]\n{second}')
    with pytest.raises(InvalidInput, match="pretrained_critic"):
        run(config)
    config.write_text(f'stages = ["mend", "octave", "detail"]\n{second}pretrained_critic = true\n')
    run(config)
    for stage, side in (("mend", 32), ("octave", 32), ("detail", 64)):
        kept = load_file(tmp_path / f"state/drawn-for-{stage}.safetensors")
        assert kept["low"].shape == (6, side, side) and len(set(kept["index"])) == 6
        bars = kept["low"][:, :, : side // 16]  # 40x30 pixels leave an eighth of the square
        assert np.allclose(bars, -1, atol=0.3) and kept["low"].std() > 0.1
        last = json.loads((tmp_path / f"state/run/{stage}.log.jsonl").read_text().splitlines()[-1])
        assert last["step"] == 4 and last["critic_drawn"] > 0 and last["loss"] > 0


def test_what_is_large_is_learned_at_its_size_and_drawn_so(tmp_path, capsys):
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, parts, shape in (
        (small, ("chest", "knee"), (40, 30)),
        (large, ("wrist", "knee"), (400, 300)),  # of whose patients four are held out
    ):
        folder.mkdir()
        make_data(folder, parts, shape)
    config = tmp_path / "config.toml"
    sizes = "".join(f"[sizes.{s}]\nchannels = 8\ndepth = 1\n" for s in NATIVE)
    text = (
        f'state = "{tmp_path}/state"\n[prior]\nbasis = 8\nrank = 4\n'
        f"[sizes.base]\nchannels = [8, 8, 8]\nwidth = 16\ndepth = 1\nheads = 2\n{sizes}"
        "[sizes.sharp]\nchannels = 8\ndepth = 1\nfinish = 4\n"
        "[recipe]\nbatch_size = 4\nmax_steps = 1\n"
    )
    config.write_text(f'data = "{small}"\n{text}')
    without = run(config)
    assert "340 pixels" in capsys.readouterr().out and not (without / "sharp.onnx").exists()
    last = 'stages = ["sharp"]\n'
    config.write_text(f'data = ["{small}", "{large}"]\n{text}[recipe.sharp]\ndrawn = 4\n')
    with pytest.raises(InvalidInput, match="real images alone"):
        run(config)
    assert not (tmp_path / "state/run/sharp.json").exists(), "it is said before anything is trained"
    text += "drawn = 4\npretrained_critic = false\n"  # of stages that learn on drawn images
    text = text.replace("max_steps = 1", "max_steps = 3\nsquared_steps = 2\ncritic_warmup = 0")
    config.write_text(f'data = ["{small}", "{large}"]\n{last}{text}')
    engine = load_engine(run(config))
    told = json.loads((tmp_path / "state/run/sharp.log.jsonl").read_text().splitlines()[-1])
    assert list(told["kid"]) == ["384"] and told["phase"] == "adversarial"
    assert engine.stages[-1].name == "sharp" and engine.stages[-1].output_side == 384
    assert engine.facts.learned_side == 384
    kinds = [f"modality:x-ray body_part:{part}" for part in ("knee", "wrist")]
    assert list(engine.facts.large) == kinds and 40 < sum(engine.facts.large.values()) <= 44

    many = replace(engine.facts, large={kinds[0]: 50, kinds[1]: 49})

    def warned(words, side, facts=many):
        return " ".join(plan(words, facts, size=(side, side)).warnings)

    assert "none of the images of this kind" in warned("chest x-ray", 384)
    assert "49 of the images of this kind" in warned("wrist x-ray", 384)
    assert "pixels" not in warned("knee x-ray", 384) + warned("chest x-ray", 256)
    assert "pixels" not in warned("chest x-ray", 384, replace(many, large=None)), "nobody knows"
    assert "images of 384 pixels: its" in warned("knee x-ray", 385)
    pixels = np.load(next((tmp_path / "state").glob("corpus-*-384.npy")))
    assert pixels.shape == (48, 384, 384) and pixels[0, :, 48:-48].std() > 10
    ask = Ask(concepts=("modality:x-ray", "body_part:knee"), settings=Settings(num_steps=1))
    drawn = engine.generate(replace(ask, settings=Settings(num_steps=1, size=(288, 384))))
    assert drawn.shape == (384, 288)
    assert np.abs(resize(drawn, 192, 256) - engine.generate(ask)).mean() < 0.02


def test_training_goes_on_when_a_folder_and_a_concept_are_added(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, parts in ((first, ("chest", "knee")), (second, ("skull", "knee"))):
        folder.mkdir()
        make_data(folder, parts)
    text = (
        f'state = "{tmp_path}/state"\n[prior]\nbasis = 8\nrank = 4\n'
        "[sizes.base]\nchannels = [8, 8, 8]\nwidth = 16\ndepth = 1\nheads = 2\n"
        "[sizes.mend]\nchannels = 8\ndepth = 1\n[sizes.octave]\nchannels = 8\n"
        "depth = 1\n[sizes.detail]\nchannels = 8\ndepth = 1\n[recipe]\n"
        "batch_size = 4\nmax_steps = "
    )
    config = tmp_path / "config.toml"
    config.write_text(f'data = "{first}"\n{text}1\n')
    run(config)
    before = json.loads((tmp_path / "state/table.json").read_text())
    old = load_file(tmp_path / "state/prior.safetensors")
    config.write_text(f'data = ["{first}", "{second}"]\n{text}2\n')
    engine = load_engine(run(config))
    after = json.loads((tmp_path / "state/table.json").read_text())
    assert {c: after[c] for c in before} == before
    new = load_file(tmp_path / "state/prior.safetensors")
    count = len(old["means"])
    assert len(new["means"]) > count
    assert np.array_equal(new["means"][:count], old["means"])
    assert np.array_equal(new["basis"], old["basis"])
    assert after["body_part:skull"] > max(before.values())
    assert engine.facts.images["body_part:skull"] >= 15
    again = tmp_path / "again"
    adopt(tmp_path / "state/checkpoint.safetensors", tmp_path / "state/model", again)
    assert json.loads((again / "table.json").read_text()) == after
    for name in ("prior-labels.npy", "table.json"):
        assert (again / name).read_bytes() == (tmp_path / "state" / name).read_bytes()
    checkpoint = tmp_path / "state/checkpoint.safetensors"
    text = config.read_text().replace("/state", "/again").replace("max_steps = 2", "max_steps = 3")
    model = tmp_path / "state/model"
    kinds = [f"modality:x-ray body_part:{part}" for part in ("knee", "skull")]
    config.write_text(f'{config.read_text()}[deviation]\n"{kinds[0]}" = 0.8\n')
    run(config)
    config.write_text(
        f'initial = "{checkpoint}"\nmodel = "{model}"\n{text}[deviation]\n"{kinds[1]}" = 0.9\n'
    )
    told = load_engine(run(config))._model.components.deviations()
    assert [told[kind] for kind in kinds] == pytest.approx([0.8, 0.9]), "one is the model's before"
    assert json.loads((again / "run/base.json").read_text())["step"] == 3
    text = text.replace("/again", "/third").replace(
        "depth = 1\n[recipe]", "depth = 1\nfinish = 4\n[recipe]"
    )
    second = "squared_steps = 0\npretrained_critic = true\ndrawn = 4\ncritic_warmup = 9\n"
    config.write_text(
        f'initial = "{checkpoint}"\nmodel = "{model}"\nstages = ["detail"]\n{text}{second}'
    )
    run(config)  # what the model's own octave stage draws, where none was trained here
    assert load_file(tmp_path / "third/drawn-for-detail.safetensors")["low"].shape == (4, 64, 64)
    kept = load_file(tmp_path / "third/run/detail-best.safetensors")
    assert kept["finish.leave.weight"].shape == (4, 4, 3, 3)
    assert not kept["finish.leave.weight"].any(), "it waits for its discriminator"


def test_two_processes_may_begin_on_one_cache(tmp_path):
    make_data(tmp_path)
    cache = tmp_path / "cache"
    load_corpus([tmp_path], cache, concepts_of)
    pixels, frames = sorted(cache.iterdir(), key=lambda path: -path.stat().st_size)
    killed = cache / f".{pixels.name}.0.part"
    pixels.rename(killed)  # by a kill, long ago
    os.utime(killed, (0, 0))
    frames.unlink()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_corpus([tmp_path], cache, concepts_of), range(8)))
    assert all(np.array_equal(one.pixels, found[0].pixels) for one in found)
    assert all(np.array_equal(one.frames, found[0].frames) for one in found)
    assert len(list(cache.iterdir())) == 2, "nothing half written is left"


def test_onnx_gives_what_torch_gives(tmp_path):
    torch.manual_seed(0)
    params = BaseParams(concepts=5, channels=(8, 8, 8), width=16, depth=1, heads=2)
    network = BaseDenoiser(params)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    to_onnx(network, "base", tmp_path / "full.onnx", int8=False)
    to_onnx(network, "base", tmp_path / "int8.onnx", int8=True)
    rng = np.random.default_rng(1)
    feed = {
        "image": rng.standard_normal((1, 5, 32, 32)).astype(np.float32),
        "t": np.array([0.3], np.float32),
        "numbers": np.zeros((1, 4), np.float32),
        "concepts": np.array([[1, 3] + [0] * 14]),
    }
    with torch.no_grad():
        wanted = network(*(torch.from_numpy(v) for v in feed.values())).numpy()
    for name, tolerance in (("full.onnx", 1e-4), ("int8.onnx", 0.1)):
        session = onnxruntime.InferenceSession(str(tmp_path / name))
        got = session.run(None, feed)[0]
        assert np.abs(got - wanted).max() <= tolerance * np.abs(wanted).max()


def test_a_network_comes_back_from_its_onnx_file(tmp_path):
    torch.manual_seed(0)
    sizes = {"base": {"channels": (8, 16), "width": 32, "depth": 2, "heads": 4}}
    sizes["mend"] = sizes["octave"] = {"channels": 16, "depth": 2}
    sizes["detail"] = {"channels": 16, "depth": 2, "finish": 8}
    for stage, size in sizes.items():
        network = build(stage, 5, size).to(memory_format=torch.channels_last)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        for int8, tolerance in ((False, 1e-6), (True, 0.01)):
            to_onnx(network, stage, tmp_path / "x.onnx", int8=int8)
            again = network_from_onnx(stage, (tmp_path / "x.onnx").read_bytes())
            for name, wanted in network.state_dict().items():
                got = again.state_dict()[name]
                assert (got - wanted).abs().max() <= tolerance * wanted.abs().max(), name


@pytest.mark.parametrize("data", [b"", b"no model", b"\x08\x08"])
def test_another_file_is_no_network(data):
    with pytest.raises(InvalidInput, match="network"):
        network_from_onnx("base", data)
