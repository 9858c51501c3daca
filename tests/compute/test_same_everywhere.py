"""The commands' own task functions give the same in this process, in others, and on Ray."""

import importlib.util

import numpy as np
import pytest
from PIL import Image as Picture

import radsmith
from radsmith.evaluation.audit.apart import Apart
from radsmith.evaluation.audit.files import load_audit_spaces
from radsmith.evaluation.audit.search import VIEWS, Store
from radsmith.evaluation.audit.sets import read_set
from radsmith.evaluation.fidelity import draw
from radsmith.images.provenance import Settings
from radsmith.language.prompt import Prompt
from tests.augmentation.test_augment import augment, contents, write_split
from tests.datasets.test_importing import contents as imported
from tests.datasets.test_importing import run_on, write_picture

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(params=["processes", "ray"], scope="module")
def ray(request):
    if request.param == "processes":
        yield ""
        return
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    from radsmith.compute.ray import close

    yield "local"
    close()


def test_an_augmentation_is_the_same(ray, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    write_split(data, "train", 100)
    write_split(data, "test", 20)
    asked = (data, "--target", 20, "--steps", 1)
    augment(*asked, "-o", tmp_path / "one")
    result = augment(*asked, "-o", tmp_path / "two", "--workers", 2, "--ray", ray)
    assert "5 images added" in result.stderr
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_import_is_the_same(ray, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for n in range(20):
        write_picture(source / f"{n:02d}.png", n)
    run_on(source, tmp_path / "one", modality="ultrasound", shard_size=8)
    run_on(source, tmp_path / "two", modality="ultrasound", shard_size=8, workers=2, ray=ray)
    assert imported(tmp_path / "one") == imported(tmp_path / "two")


def test_what_is_evaluated_is_the_same(ray):
    model = radsmith.load_model()
    asked = [
        Prompt(modality="modality:x-ray", body_part=f"body_part:{p}") for p in ("knee", "hand")
    ]

    def many(requests):
        for picture in model.by_workers(requests, 2, ray):
            yield picture.image.pixels

    settings = Settings(num_steps=1)
    here = draw(model.engine, asked, settings, 3)
    there = draw(model.engine, asked, settings, 3, many=many)
    assert [np.asarray(a).tobytes() for a in here.images] == [
        np.asarray(b).tobytes() for b in there.images
    ]


def test_features_of_an_audit_are_the_same(ray, tmp_path, monkeypatch):
    monkeypatch.setattr("radsmith.evaluation.audit.search.CHUNK", 4)
    monkeypatch.setattr("radsmith.evaluation.audit.apart.CHUNK", 4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    roles = ("train", "synthetic", "held-out")
    for number, role in enumerate(roles):
        (tmp_path / role).mkdir()
        for n in range(4 + number):
            pixels = rng.integers(0, 255, (64, 64), np.uint8)
            Picture.fromarray(pixels).save(tmp_path / role / f"{n}.png")
    sets = {role: read_set(tmp_path / role, role, tmp_path / "cache") for role in roles}
    sets["held-out"] = sets["held-out"].take([5, 0, 2])
    spaces = load_audit_spaces("pixels,detector")
    apart = Apart(
        places={role: tmp_path / role for role in roles},
        features="pixels,detector",
        workers=2,
        ray=ray,
    )
    told = []
    apart.fill(tmp_path / "two", sets, spaces, lambda *said: told.append(said))
    for role, images in sets.items():
        for space in spaces:
            list(
                Store(tmp_path / "one").chunks(images, space, 1 if role == "train" else VIEWS, None)
            )

    def files(folder):
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert told and files(tmp_path / "one") == files(tmp_path / "two")
