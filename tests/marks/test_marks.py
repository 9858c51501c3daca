"""Keys, content credentials, the watermark, and the detector that says on which it rests."""

import io
import json
import os
import stat
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture

from radsmith import cli
from radsmith.editing.files import open_source
from radsmith.editing.marking import watermarked
from radsmith.editing.operations import Edited, untouched_digest
from radsmith.errors import InvalidInput, NotFound
from radsmith.images.image import Image, quantize
from radsmith.images.pictures import png_bytes, read_image, read_record
from radsmith.marks import credentials, watermark
from radsmith.marks.detection import look
from radsmith.marks.keys import checked_fingerprint, load_key, load_public, make_key
from radsmith.marks.signing import sign_file
from tests.release.making import key_in, pixels, record, write_dicom, write_png

SHAPE = (224, 256)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return key_in(tmp_path_factory.mktemp("keys"))


def picture(data):
    opened = Picture.open(io.BytesIO(data))
    return np.asarray(opened.convert("L") if opened.mode == "RGB" else opened)


def textured(seed):
    """A picture with structure and grain, as images have: 0-1."""
    rng = np.random.default_rng(seed)
    grain = rng.standard_normal(SHAPE)
    return np.clip(pixels(seed, SHAPE) + 0.01 * grain, 0, 1)


# keys


def test_a_key_is_secret_and_its_public_half_is_whole(tmp_path):
    made = make_key(tmp_path / "sub/a.key", "  Dr A,  Clinic ")
    assert stat.S_IMODE(os.stat(tmp_path / "sub/a.key").st_mode) == 0o600
    assert load_key(tmp_path / "sub/a.key").public == made.public
    public = load_public(tmp_path / "sub/a.pub")
    assert public == made.public and public.signer == "Dr A, Clinic"
    assert b"PRIVATE" not in (tmp_path / "sub/a.pub").read_bytes()
    assert public.holds(made.sign(b"x"), b"x") and not public.holds(made.sign(b"x"), b"y")


def test_keys_that_are_none_are_refused(tmp_path):
    key, other = key_in(tmp_path), key_in(tmp_path, "other")
    with pytest.raises(InvalidInput, match="not replaced"):
        make_key(tmp_path / "test.key", "x")
    with pytest.raises(InvalidInput, match="name"):
        make_key(tmp_path / "b.key", "  ")
    with pytest.raises(NotFound, match="key release"):
        load_key(tmp_path / "gone.key")
    (tmp_path / "c.pub").write_bytes(b"no")
    with pytest.raises(InvalidInput, match="not a public key"):
        load_public(tmp_path / "c.pub")
    head = key.public.to_bytes().split(b"-----END PUBLIC KEY-----\n")[0]
    mixed = head + b"-----END PUBLIC KEY-----\n" + b"".join(other.public.certificates)
    (tmp_path / "c.pub").write_bytes(mixed)
    with pytest.raises(InvalidInput, match="of another key"):
        load_public(tmp_path / "c.pub")


def test_fingerprints_are_taken_as_they_are_read_out(key):
    said = key.public.fingerprint
    digits = said.removeprefix("sha256:").upper()
    spaced = " ".join(digits[i : i + 4] for i in range(0, 64, 4))
    assert {checked_fingerprint(t) for t in (said, digits, spaced, "SHA256:" + digits)} == {said}
    with pytest.raises(InvalidInput, match="64 hexadecimal"):
        checked_fingerprint(said[:-1])


# content credentials


@pytest.mark.parametrize("bits", [8, 16])
def test_png_keeps_pixels_and_record(key, bits):
    said = record()
    before = png_bytes(Image(pixels=pixels()), said, bits)
    after, _ = credentials.signed(before, said, key)
    assert np.array_equal(picture(before), picture(after))
    assert json.loads(Picture.open(io.BytesIO(after)).info["radsmith"])["seed"] == said.seed
    assert len(after) - len(before) < 20_000  # no thumbnail
    found = credentials.read(after, None, key.public)
    assert (found.state, found.signer) == ("trusted", key.public.signer)
    assert found.source_type == "trainedAlgorithmicMedia"
    assert credentials.read(before, None, key.public) is None


def test_tiff_and_dicom(key, tmp_path):
    stream = io.BytesIO()
    Picture.fromarray(quantize(pixels(), 8)).save(stream, "TIFF")
    after, _ = credentials.signed(stream.getvalue(), record(), key)
    assert credentials.read(after, None, key.public).state == "trusted"
    path = write_dicom(tmp_path, "one", record())
    before = path.read_bytes()
    (beside,) = sign_file(path, record(), _path(key, tmp_path))
    assert beside.name == "one.dcm.c2pa" and path.read_bytes() == before
    assert credentials.read(before, beside.read_bytes(), key.public).state == "trusted"
    changed = before[:-1] + bytes([before[-1] ^ 1])
    found = credentials.read(changed, beside.read_bytes(), key.public)
    assert found.state == "invalid" and found.problems


def _path(key, tmp_path):
    """The key fixture as a file."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    path = tmp_path / "again.key"
    secret = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + b"".join(key.public.certificates))
    return path


def test_changed_pixels_and_other_signers_are_told(key, tmp_path):
    after, _ = credentials.signed(png_bytes(Image(pixels=pixels()), record()), record(), key)
    at = after.index(b"IDAT") + 30
    changed = after[:at] + bytes([after[at] ^ 1]) + after[at + 1 :]
    assert credentials.read(changed, None, key.public).state == "invalid"
    other = key_in(tmp_path, "other").public
    assert credentials.read(after, None, other).state == "valid"
    assert credentials.read(after, None, None).state == "valid"


def test_credentials_of_an_input_are_kept(key, tmp_path):
    other = key_in(tmp_path, "other")
    source, _ = credentials.signed(png_bytes(Image(pixels=pixels()), record()), record(), other)
    said = record(seed=2, parents=("a",))
    after, _ = credentials.signed(png_bytes(Image(pixels=pixels(2)), said), said, key, source)
    found = credentials.read(after, None, key.public)
    assert found.state == "trusted"
    assert found.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert other.public.signer.encode() in after


# the watermark


def encoded(levels, kind, quality):
    stream = io.BytesIO()
    Picture.fromarray(levels).save(stream, kind, quality=quality)
    return picture(stream.getvalue())


def resized(levels, scale):
    size = round(levels.shape[1] * scale), round(levels.shape[0] * scale)
    return np.asarray(Picture.fromarray(levels).resize(size, Picture.Resampling.BICUBIC))


LOSSES = {
    "none": lambda x: x,
    "jpeg 60": lambda x: encoded(x, "JPEG", 60),
    "webp 60": lambda x: encoded(x, "WEBP", 60),
    "smaller": lambda x: resized(x, 0.6),
    "larger": lambda x: resized(x, 1.5),
    "cropped": lambda x: x[23:190, 31:215],
    "smaller jpeg": lambda x: encoded(resized(x, 0.75), "JPEG", 70),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_watermark_survives(loss):
    for seed in range(2):
        levels = quantize(watermark.marked(textured(seed)), 8)
        assert watermark.detect(LOSSES[loss](levels) / 255).present


def test_what_is_not_marked_is_not_found():
    for seed in range(4):
        assert not watermark.detect(quantize(textured(seed), 8) / 255).present


def test_the_watermark_is_faint_and_stays_within_a_mask():
    before = textured(1)
    before[:40] = 0
    after = watermark.marked(before)
    assert np.abs(after - before).max() < 9 / 255
    assert np.sqrt(np.mean((after - before) ** 2)) < 2.5 / 255
    assert (after[:40] == 0).all()
    mask = np.zeros(SHAPE, bool)
    mask[60:200, 50:200] = True
    inside = watermark.marked(before, mask)
    assert np.array_equal(inside[~mask], before[~mask]) and (inside[mask] != before[mask]).any()


@pytest.mark.parametrize("kind", ["png", "dicom"])
def test_an_edit_is_marked_within_its_mask(tmp_path, kind):
    write = write_png if kind == "png" else write_dicom
    opened = open_source(write(tmp_path, "one", record(), textured(3)))
    mask = np.zeros(SHAPE, bool)
    mask[40:200, 40:210] = True
    edited = Edited(image=opened.source.image, mask=mask, record=record(parents=("a",)))
    after = watermarked(edited, opened.source)
    assert untouched_digest(after.image.pixels, mask) == untouched_digest(edited.image.pixels, mask)
    assert after.record.pixels_sha256 == after.image.digest() != edited.image.digest()
    span = np.iinfo(after.image.pixels.dtype).max
    assert watermark.detect(after.image.pixels / span).present


# the detector


def test_the_answer_names_the_mark_it_rests_on(tmp_path, key):
    """From the strongest mark to none, as marks are lost one after the other."""
    path = write_png(tmp_path, "one", record(), watermark.marked(textured(5)))
    sign_file(path, record(), _path(key, tmp_path))
    assert "whose key was given" in look(path, key.public).rests_on
    assert "watermark" in look(path).rests_on
    saved = tmp_path / "saved.jpg"
    Picture.open(path).save(saved, quality=80)
    found = look(saved)
    assert "watermark" in found.rests_on and not found.credentials and not found.record
    plain = write_png(tmp_path, "plain", record(), textured(5))
    assert look(plain).rests_on == "radsmith's record in the file, which is not signed"
    sign_file(plain, record(), _path(key, tmp_path))
    assert "whom nobody vouches for" in look(plain).rests_on
    dicom = write_dicom(tmp_path, "stripped", record())
    import pydicom

    dataset = pydicom.dcmread(dicom)
    dataset.remove_private_tags()
    dataset.save_as(dicom)
    assert "Synthetic Data" in look(dicom).rests_on
    bare = tmp_path / "bare.png"
    Picture.fromarray(quantize(textured(5), 8)).save(bare)
    assert look(bare).rests_on == ""
    assert "does not show that the image is real" in look(bare).to_dict()["rests_on"]
    not_synthetic = write_png(tmp_path, "upload", replace(record(), synthetic=False), textured(6))
    assert "record" not in look(not_synthetic).rests_on


def test_generate_and_inpaint_mark_what_they_write(tmp_path, monkeypatch, capsys):
    """With the shipped model, as users do it."""
    key = make_key(tmp_path / "a.key", "Dr A")

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["radsmith", *map(str, args)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, capsys.readouterr().out

    marks = ("--steps", 1, "--sign", tmp_path / "a.key", "--watermark", "-o", tmp_path / "out")
    assert run("generate", "chest x-ray, PA view, adult, normal", *marks)[0] == 0
    (made,) = (tmp_path / "out").glob("*.png")
    code, out = run("inspect", made, "--key", tmp_path / "a.pub")
    said = json.loads(out)
    assert code == 0 and said["seed"] == 0 and said["marks"]["watermark"]["found"]
    assert said["marks"]["credentials"]["state"] == "trusted"
    image = read_image(made)
    assert image.digest() and read_record(made).pixels_sha256 != image.digest()
    assert run("inpaint", made, "--box", "60,60,120,120", *marks)[0] == 0
    (edit,) = (tmp_path / "out").glob("*-inpaint-0.png")
    found = look(edit, key.public)
    assert found.credentials.source_type == "compositeWithTrainedAlgorithmicMedia"
    outside = np.ones(image.pixels.shape, bool)
    outside[60:180, 60:180] = False
    assert np.array_equal(read_image(edit).pixels[outside], image.pixels[outside])
    assert (
        run("generate", "chest x-ray", "--sign", tmp_path / "gone.key", "-o", tmp_path / "x")[0]
        == 3
    )
    assert not (tmp_path / "x").exists()
