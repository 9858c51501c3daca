"""What today's scripts send to OpenAI's Images API, unmodified, through OpenAI's own client."""

import base64
import io
import json

import httpx
import numpy as np
import openai
import pydicom
import pytest
from PIL import Image as Picture

from radsmith.images.pictures import read_record
from radsmith.server.openai.shapes import fitted
from tests.server.conftest import Running

CHEST = "chest x-ray, PA view, adult, normal"
FAST = {"steps": 1, "seed": 7}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("scripts") / "data", "--rate", 100000)
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def client(server):
    options = {"api_key": "any", "max_retries": 0, "timeout": 120}
    with openai.OpenAI(base_url=f"{server.url}/v1", **options) as opened:
        yield opened


def file_of(pixels, kind="PNG", **options):
    stream = io.BytesIO()
    Picture.fromarray(pixels).save(stream, kind, **options)
    return f"a.{kind.lower()}", stream.getvalue(), f"image/{kind.lower()}"


def scene(size=(80, 64)):
    return np.random.default_rng(0).integers(0, 255, size, np.uint8)


def mask(alpha):
    channels = np.zeros((*alpha.shape, 4), np.uint8)
    channels[..., 3] = alpha
    return file_of(channels)


def hole(size=(80, 64)):
    alpha = np.full(size, 255, np.uint8)
    alpha[20:50, 20:40] = 0
    return alpha


def opened(item):
    return Picture.open(io.BytesIO(base64.b64decode(item.b64_json)))


@pytest.mark.parametrize(
    ("model", "in_base64"),
    [
        ("gpt-image-1", True), ("gpt-image-1-mini", True), ("gpt-image-2", True),
        ("gpt-image-1.5-2026-01-01", True), ("dall-e-3", False), (None, False),
    ],
)  # fmt: skip
def test_models_of_scripts_are_drawn_by_the_one_that_is_there(client, model, in_base64):
    asked = {"model": model} if model else {}
    raw = client.images.with_raw_response.generate(prompt=CHEST, extra_body=FAST, **asked)
    assert raw.headers["X-Radsmith-Model"] == "radsmith-default"
    assert "X-Radsmith-Ignored" not in raw.headers
    answer = raw.parse()
    item = answer.data[0]
    assert bool(item.b64_json) == in_base64 and bool(item.url) != in_base64
    assert answer.usage.total_tokens == answer.usage.input_tokens_details.image_tokens == 0
    assert answer.data[0].radsmith["model"] == "radsmith-default"


def test_models_say_who_draws_for_them(client):
    listed = {m.id: m.drawn_by for m in client.models.list()}
    assert set(listed.values()) == {"radsmith-default"}
    assert {"radsmith-default", "gpt-image-1", "gpt-image-2", "dall-e-3"} <= set(listed)
    assert client.models.retrieve("gpt-image-1").drawn_by == "radsmith-default"
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model="sdxl", prompt=CHEST)


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((1024, 1536), (683, 1024)), ((1536, 1024), (1024, 683)), ((1792, 1024), (1024, 585)),
        ((640, 480), (640, 480)), ((8, 8), (32, 32)), ((4096, 1), (1024, 32)), (None, None),
    ],
)  # fmt: skip
def test_sizes_are_fitted_to_what_can_be_drawn(asked, drawn):
    assert fitted(asked, (32, 1024)) == drawn


def test_an_answer_says_the_size_that_was_drawn(client):
    answer = client.images.generate(
        model="gpt-image-1", prompt=CHEST, size="48x2000", extra_body=FAST
    )
    width, height = opened(answer.data[0]).size
    assert height == 1024 and answer.size == f"{width}x{height}"
    assert any("nearest to 48x2000" in warning for warning in answer.radsmith["warnings"])
    answer = client.images.generate(prompt=CHEST, size="auto", extra_body=FAST)
    assert not any("nearest" in warning for warning in answer.radsmith["warnings"])


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_formats_come_as_asked_with_their_record(client, tmp_path, form):
    asked = {"prompt": CHEST, "output_format": form, "output_compression": 60, "extra_body": FAST}
    answer = client.images.generate(model="gpt-image-1-mini", **asked)
    assert answer.output_format == form and opened(answer.data[0]).format == form.upper()
    path = tmp_path / "image"
    path.write_bytes(base64.b64decode(answer.data[0].b64_json))
    assert read_record(path).seed == 7
    told = httpx.get(client.images.generate(**asked).data[0].url)
    with Picture.open(io.BytesIO(told.content)) as again, Picture.open(path) as first:
        assert np.array_equal(np.asarray(again), np.asarray(first))
    assert told.headers["content-type"] == f"image/{form}"
    ignored = {"png": ["output_compression"]}.get(form, [])
    assert answer.radsmith["ignored"] == ignored


def test_what_means_nothing_is_ignored_and_named(client):
    raw = client.images.with_raw_response.generate(
        prompt=CHEST, model="gpt-image-1", quality="high", background="transparent", style="vivid",
        moderation="low", user="me",
        extra_body={**FAST, "colour, of sky": "blue", "rewrite": {"deep": [1]}},
    )  # fmt: skip
    named = raw.headers["X-Radsmith-Ignored"].split(", ")
    told = ["quality", "style", "moderation", "background", "colour??of?sky", "rewrite"]
    assert named == told
    answer = raw.parse()
    assert "colour, of sky" in answer.radsmith["ignored"] and answer.background == "opaque"


def test_a_stream_says_what_it_sends(client):
    for extra, form in (({"format": "dicom"}, "dicom"), ({"output_format": "webp"}, "webp")):
        events = list(
            client.images.generate(
                prompt=CHEST, model="gpt-image-1", stream=True, partial_images=2,
                extra_body={**FAST, **extra},
            )
        )  # fmt: skip
        assert [e.output_format for e in events] == [form]
        assert events[0].usage.total_tokens == 0
        data = base64.b64decode(events[0].b64_json)
        if form == "dicom":
            assert pydicom.dcmread(io.BytesIO(data)).SyntheticData == "YES"


@pytest.mark.parametrize("count", [1, 3])
def test_of_a_list_of_images_the_first_is_edited(client, count):
    before = scene()
    raw = client.images.with_raw_response.edit(
        model="gpt-image-1", prompt=CHEST, mask=mask(hole()), size="1024x1024",
        image=[file_of(before if n == 0 else scene((9, 9)), "WEBP", lossless=True)
               for n in range(count)],
        input_fidelity="high", extra_body=FAST,
    )  # fmt: skip
    after = np.asarray(opened(raw.parse().data[0]))
    known = hole() == 255
    assert np.array_equal(after[known], before[known])
    named = raw.headers["X-Radsmith-Ignored"].split(", ")
    images = [f"image?{n + 1}" for n in range(1, count)]
    assert named == ["input_fidelity", *images, "size"]


def test_soft_masks_count_from_half_on(client):
    before, alpha = scene(), hole()
    alpha[20:50, 10:20] = np.linspace(250, 5, 10).astype(np.uint8)
    asked = {"prompt": CHEST, "response_format": "b64_json", "extra_body": FAST}
    answer = client.images.edit(image=file_of(before), mask=mask(alpha), **asked)
    changed = np.asarray(opened(answer.data[0])) != before
    assert changed.any() and not changed[alpha >= 128].any()
    own = np.dstack([before] * 3 + [alpha])
    answer = client.images.edit(image=file_of(own), **asked)
    changed = np.asarray(opened(answer.data[0])) != before
    assert changed.any() and not changed[alpha >= 128].any()


def test_an_image_is_deleted_and_its_file_with_it(client, server):
    asked = {"prompt": CHEST, "extra_body": {**FAST, "seed": 99}}
    answer = client.images.generate(**asked)
    item, url = answer.data[0], f"{server.url}/v1/images"
    assert httpx.get(item.url).status_code == 200
    gone = httpx.delete(f"{url}/{item.id}")
    assert gone.json() == {
        "id": item.id, "object": "image.deleted", "deleted": True, "images": 1, "files": 1,
        "made_from_it": 0,
    }  # fmt: skip
    assert httpx.get(item.url).status_code == 404
    assert httpx.delete(f"{url}/{item.id}").status_code == 404
    assert httpx.delete(url).json()["error"]["param"] == "confirm"
    kept = client.images.generate(**asked).data[0]
    assert httpx.delete(url, params={"confirm": "everything"}).json()["images"] >= 1
    assert httpx.get(kept.url).status_code == 404
    assert json.loads(httpx.get(f"{server.url}/healthz").text)["status"] == "ok"
