"""Edits over HTTP: OpenAI's client, uploads that are not what they say, the studio's routes."""

import base64
import io
import struct
import zlib

import httpx
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image as Picture
from pydicom.data import get_testdata_file

from radsmith.cli import cli
from tests.server.conftest import Studio

CHEST = "chest x-ray, PA view, adult, normal"
FAST = {"steps": 1, "seed": 7}


@pytest.fixture
def studio(server):
    opened = Studio(server.url)
    yield opened
    opened.http.close()


def png(pixels, **options):
    stream = io.BytesIO()
    Picture.fromarray(pixels).save(stream, "PNG", **options)
    return stream.getvalue()


def scene(dtype=np.uint8, size=(120, 96)):
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    return rng.integers(0, top, size, dtype, endpoint=True)


def hole(size=(120, 96)):
    mask = np.zeros(size, bool)
    mask[30:70, 20:60] = True
    return mask


def mask_png(mask):
    channels = np.zeros((*mask.shape, 4), np.uint8)
    channels[..., 3] = np.where(mask, 0, 255)
    return png(channels)


def decoded(item):
    return np.asarray(Picture.open(io.BytesIO(base64.b64decode(item.b64_json))))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_outside_the_mask_every_stored_value_is_kept(client, dtype):
    before, mask = scene(dtype), hole()
    answer = client.images.edit(
        image=("image.png", png(before)),
        mask=("mask.png", mask_png(mask)),
        prompt=CHEST,
        n=2,
        response_format="b64_json",
        extra_body=FAST,
    )
    assert len(answer.data) == 2
    for seed, item in zip((7, 8), answer.data, strict=True):
        after = decoded(item)
        assert after.dtype == dtype
        assert np.array_equal(after[~mask], before[~mask])
        assert not np.array_equal(after[mask], before[mask])
        assert (item.radsmith["operation"], item.radsmith["seed"]) == ("inpaint", seed)
        assert item.radsmith["parents"] and item.radsmith["untouched_sha256"]


def test_transparent_pixels_are_a_mask(client):
    before, mask = scene(), hole()
    channels = np.repeat(before[..., None], 4, axis=2)
    channels[..., 3] = np.where(mask, 0, 255)
    answer = client.images.edit(
        image=("image.png", png(channels)),
        prompt=CHEST,
        response_format="b64_json",
        extra_body=FAST,
    )
    assert np.array_equal(decoded(answer.data[0])[~mask], before[~mask])


def test_an_edit_is_streamed(client):
    with client.images.edit(
        image=("image.png", png(scene())),
        mask=("mask.png", mask_png(hole())),
        prompt=CHEST,
        stream=True,
        extra_body=FAST,
    ) as stream:
        assert [event.type for event in stream] == ["image_edit.completed"]


def test_variations_differ_and_say_so(client):
    with pytest.warns(DeprecationWarning):  # OpenAI's own variations are gone
        answer = client.images.create_variation(
            image=("image.png", png(scene())), n=2, response_format="b64_json", extra_body=FAST
        )
    first, second = (decoded(item) for item in answer.data)
    assert first.shape == (120, 96) and not np.array_equal(first, second)
    assert answer.data[0].radsmith["operation"] == "vary"


def ct(**changes):
    """A CT slice as bytes, and its dataset: negative values, a window, oblong pixels."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.PixelData = (dataset.pixel_array - 1024).astype(np.int16).tobytes()
    for keyword, value in {
        "RescaleIntercept": 10,
        "RescaleSlope": 2,
        "WindowCenter": 50,
        "WindowWidth": 800,
        "PixelSpacing": [0.5, 0.75],
        **changes,
    }.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue(), dataset


KEPT = (
    "RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth",
    "PixelSpacing", "BitsStored", "PhotometricInterpretation", "Modality", "SOPClassUID",
)  # fmt: skip


def test_dicom_is_edited_in_its_own_values_and_units(client, tmp_path):
    data, before = ct()
    mask = hole(before.pixel_array.shape)
    answer = client.images.edit(
        image=("slice.dcm", data),
        mask=("mask.png", mask_png(mask)),
        prompt="chest CT, axial, soft tissue window",
        extra_body={**FAST, "format": "dicom"},
    )
    after = pydicom.dcmread(io.BytesIO(httpx.get(answer.data[0].url).content))
    assert np.array_equal(after.pixel_array[~mask], before.pixel_array[~mask])
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.PatientID.startswith("SYNTHETIC") and after[0x0008, 0x001C].value == "YES"
    (tmp_path / "slice.dcm").write_bytes(data)
    Picture.open(io.BytesIO(mask_png(mask))).save(tmp_path / "mask.png")
    options = ("--prompt", "chest CT, axial, soft tissue window", "--seed", "7", "--steps", "1")
    where = (str(tmp_path / "slice.dcm"), "--mask", str(tmp_path / "mask.png"), "-o", str(tmp_path))
    assert CliRunner().invoke(cli, ["inpaint", *where, *options]).exit_code == 0
    same = pydicom.dcmread(tmp_path / "slice-inpaint-7.dcm")
    assert np.array_equal(after.pixel_array, same.pixel_array)
    assert {k: after[k].value for k in KEPT} == {k: same[k].value for k in KEPT}
    assert (after.RescaleSlope, after.WindowCenter, list(after.PixelSpacing)) == (
        2,
        50,
        [0.5, 0.75],
    )


@pytest.mark.parametrize("polarity", ["MONOCHROME2", "MONOCHROME1"])
def test_a_png_of_dicom_shows_its_window_and_says_so(client, polarity):
    data, before = ct(PhotometricInterpretation=polarity)
    mask = hole(before.pixel_array.shape)
    for form, top in (("png", 255), ("png16", 65535)):
        answer = client.images.edit(
            image=("slice.dcm", data),
            mask=("mask.png", mask_png(mask)),
            prompt="chest CT, axial",
            response_format="b64_json",
            extra_body={**FAST, "format": form},
        )
        shown = decoded(answer.data[0]).astype(float) / top
        units = before.pixel_array * 2.0 + 10
        wanted = np.clip((units - (50 - 400)) / 800, 0, 1)
        wanted = 1 - wanted if polarity == "MONOCHROME1" else wanted
        assert np.abs(shown - wanted)[~mask].max() < 1 / 255
        assert "window 50/800 HU" in " ".join(answer.data[0].radsmith["warnings"])


@pytest.mark.parametrize("polarity", ["MONOCHROME2", "MONOCHROME1"])
def test_the_viewer_is_told_values_in_their_unit(studio, polarity):
    data, dataset = ct(PhotometricInterpretation=polarity)
    kept = form(studio, "/studio/uploads", files={"image": ("a.dcm", data)})
    image = shown(studio, kept.json()["batch"])
    assert image["window"] == [50, 800] and image["spacing"] == [0.5, 0.75]
    answer = studio.http.get(f"/studio/images/{image['id']}/pixels")
    black, white, unit = answer.headers["X-Radsmith-Range"].split()
    assert unit == "HU" and (float(black) < float(white)) == (polarity == "MONOCHROME2")
    units = float(black) + levels(studio, image) / 65535 * (float(white) - float(black))
    assert np.abs(units - (dataset.pixel_array * 2.0 + 10)).max() < 0.1


def bomb():
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + end


COLOUR = np.dstack([scene(), scene()[::-1], scene()])
BAD = [
    ({"image": b""}, 400, "image"),
    ({"image": b"GIF89a" + b"\0" * 50}, 400, "image"),
    ({"image": b"\x89PNG\r\n\x1a\n" + b"\0" * 50}, 400, "image"),
    ({"image": png(scene())[:300]}, 400, "image"),
    ({"image": b"\0" * 128 + b"DICM" + b"\xff" * 40}, 400, "image"),
    ({"image": bomb()}, 413, "image"),
    ({"image": png(COLOUR)}, 400, "image"),
    ({"mask": mask_png(hole((50, 50)))}, 400, "mask"),
    ({"mask": mask_png(np.zeros((120, 96), bool))}, 400, "mask"),
    ({"mask": b"not a mask"}, 400, "mask"),
    ({"mask": None}, 400, "mask"),
    ({"fields": {"prompt": "blorp"}}, 400, "prompt"),
    ({"fields": {"n": "eleven"}}, 400, "n"),
    ({"fields": {"n": "11"}}, 400, "n"),
    ({"fields": {"strength": "nan"}}, 400, "strength"),
    ({"fields": {"size": "256x256"}}, 400, "size"),
    ({"fields": {"colour": "red"}}, 400, "colour"),
    ({"fields": {"image": "../../etc/passwd"}}, 400, "image"),
]


@pytest.mark.parametrize(("change", "status", "param"), BAD, ids=range(len(BAD)))
def test_uploads_that_cannot_be_used_are_told_without_paths(server, change, status, param):
    given = {"image": png(scene()), "mask": mask_png(hole())} | change
    fields = {"prompt": CHEST, **FAST, **given.pop("fields", {})}
    files = {name: ("../x.png", data) for name, data in given.items() if data is not None}
    answer = httpx.post(f"{server.url}/v1/images/edits", data=fields, files=files)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["param"] == param
    assert "/" not in error["message"].replace("multipart/form-data", "")


@pytest.mark.parametrize("body", [b"", b"--x", b"--x\r\nContent-Disposition: form-data\r\n\r\nA"])
@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "a/b"])
def test_broken_forms_are_refused(server, body, kind):
    for path in ("edits", "variations"):
        url = f"{server.url}/v1/images/{path}"
        answer = httpx.post(url, content=body, headers={"Content-Type": kind})
        assert answer.status_code == 400, answer.text


def test_too_large_an_upload_is_cut_off(server):
    def endless():
        head = 'Content-Disposition: form-data; name="image"; filename="x.png"'
        yield f"--x\r\n{head}\r\n\r\n".encode()
        for _ in range(100):
            yield b"x" * 2**20

    url = f"{server.url}/v1/images/variations"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        answer = httpx.post(url, content=endless(), headers=kind)
    except httpx.WriteError:
        return  # refused and closed while we were still sending
    assert answer.status_code == 413


def shown(studio, batch):
    view = studio.wait(batch)
    assert [job["state"] for job in view["jobs"]] == ["done"] * len(view["jobs"]), view
    return view["jobs"][0]["image"]


def form(studio, path, data=None, files=None):
    parts = {name: (None, str(value)) for name, value in (data or {}).items()} | (files or {})
    return studio.http.post(path, files=parts, headers={"X-Radsmith-Request": studio.token})


def levels(studio, image):
    data = studio.http.get(f"/studio/images/{image['id']}/pixels").content
    return np.frombuffer(data, "<u2").reshape(image["height"], image["width"])


def test_the_studio_edits_what_it_shows(studio):
    source = shown(studio, studio.generate(prompt=CHEST, steps=1, seed=1))
    mask = hole((source["height"], source["width"]))
    common = {"source": source["id"], "steps": 1, "seed": 2}
    before = levels(studio, source)
    files = {"mask": ("mask.png", mask_png(mask))}
    asked = {**common, "operation": "inpaint", "n": 2, "prompt": "chest x-ray, pneumonia"}
    inpainted = form(studio, "/studio/edits", asked, files)
    view = studio.wait(inpainted.json()["batch"])
    assert len(view["jobs"]) == 2 and view["jobs"][0]["parent"] == source["id"]
    after = levels(studio, view["jobs"][1]["image"])
    assert np.array_equal(after[~mask], before[~mask])
    extended = form(
        studio, "/studio/edits", {**common, "operation": "outpaint", "margins": "0,40,10,0"}
    )
    larger = shown(studio, extended.json()["batch"])
    assert (larger["width"], larger["height"]) == (source["width"] + 40, source["height"] + 10)
    assert np.array_equal(levels(studio, larger)[10:, : source["width"]], before)
    assert larger["place"] == [0, 10] and source["place"] is None
    changed = form(
        studio, "/studio/edits", {**common, "operation": "change", "add": "pleural effusion"}, files
    )
    record = shown(studio, changed.json()["batch"])["record"]
    assert "finding:pleural-effusion" in record["concepts"]
    knee = shown(studio, studio.generate(prompt="left knee x-ray, PA view", steps=1, seed=1))
    asked = {"source": knee["id"], "steps": 1, "operation": "extend", "target": "leg"}
    leg = shown(studio, form(studio, "/studio/edits", asked).json()["batch"])
    assert leg["height"] > 2 * knee["height"]
    x, y = leg["place"]
    inside = levels(studio, leg)[y : y + knee["height"], x : x + knee["width"]]
    assert np.array_equal(inside, levels(studio, knee))
    varied = form(studio, "/studio/edits", {**common, "operation": "vary", "strength": 0.3})
    assert shown(studio, varied.json()["batch"])["record"]["operation"] == "vary"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"operation": "inpaint"}, 400),
        ({"operation": "outpaint"}, 400),
        ({"operation": "outpaint", "margins": "99999,99999,0,0"}, 400),
        ({"operation": "change"}, 400),
        ({"operation": "change", "add": "blorp"}, 400),
        ({"operation": "explode"}, 400),
        ({"operation": "vary", "source": "nothing"}, 404),
    ],
)
def test_edits_that_cannot_be_made_are_told(studio, asked, status):
    source = shown(studio, studio.generate(prompt=CHEST, steps=1, seed=1))
    answer = form(studio, "/studio/edits", {"source": source["id"], **asked})
    assert answer.status_code == status, answer.text


def test_an_upload_is_never_called_synthetic(studio):
    kept = form(studio, "/studio/uploads", files={"image": ("a.png", png(scene(np.uint16)))})
    image = shown(studio, kept.json()["batch"])
    assert image["record"]["synthetic"] is False
    refused = studio.http.get(f"/studio/images/{image['id']}/file/png")
    assert refused.json()["error"]["code"] == "not_synthetic"
    preview = studio.http.get(f"/studio/images/{image['id']}/preview")
    assert Picture.open(io.BytesIO(preview.content)).size == (96, 120)
    asked = {"source": image["id"], "operation": "vary", "prompt": CHEST, "steps": 1}
    edited = shown(studio, form(studio, "/studio/edits", asked).json()["batch"])
    assert edited["record"]["synthetic"] is True
    file = studio.http.get(f"/studio/images/{edited['id']}/file/png").content
    assert file[24] == 16
