"""Small sources and bundles for the tests: real files with real records, drawn by no model."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from radsmith.generation.dicom_codes import codes_of
from radsmith.images.dicom.writing import dicom_bytes
from radsmith.images.image import Image
from radsmith.images.pictures import png_bytes
from radsmith.images.provenance import Generation
from radsmith.language.reading import read_prompt
from radsmith.marks.keys import load_key, make_key
from radsmith.release.bag import INFO, TAG_MANIFEST, close_bag
from radsmith.release.layout import FIRST_PAGE, PUBLIC_KEY, SIGNATURE
from radsmith.release.request import ReleaseRequest
from radsmith.release.run import release
from radsmith.release.statement import RELEASE, sealed, statement

MADE = "2026-05-01T12:00:00+00:00"
CHEST = "chest x-ray, PA view, adult, normal"


@cache
def record(prompt=CHEST, seed=0, **other):
    """A record as `generate` makes it, of a model that nobody has."""
    said = read_prompt(prompt).prompt
    plain = Generation(
        radsmith_version="0.1.0",
        operation="generate",
        engine="onnx",
        model="test model",
        model_digest="d" * 64,
        prompt=prompt,
        canonical_prompt=prompt,
        concepts=said.concepts,
        seed=seed,
        num_steps=8,
        guidance_scale=1.0,
        width=64,
        height=48,
        created=MADE,
        pixels_sha256="0" * 64,
        sampler="multistep",
    )
    return replace(plain, **other)


def pixels(seed=0, shape=(48, 64)):
    """A smooth picture with some grain, 0-1."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    wave = np.sin(rows / (5 + seed % 7)) + np.cos(columns / (6 + seed % 5))
    return np.clip(0.5 + 0.15 * wave + 0.03 * rng.standard_normal(shape), 0, 1)


def write_png(folder, name, said, image=None, bits=8):
    """A PNG with its record; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    image = image if image is not None else pixels(said.seed)
    path.write_bytes(png_bytes(Image(pixels=image, spacing=(1.0, 1.0)), said, bits))
    return path


def write_dicom(folder, name, said, image=None):
    """A DICOM file with its record; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.dcm"
    image = Image(pixels=pixels(said.seed) if image is None else image, spacing=(1.0, 1.0))
    path.write_bytes(dicom_bytes(image, said, codes_of(read_prompt(said.canonical_prompt).prompt)))
    return path


def source(folder, n=6):
    """A folder of n images."""
    for seed in range(n):
        write_png(folder, f"image-{seed}", record(seed=seed))
    return folder


def key_in(folder, name="test"):
    """The signing key of a folder, made once."""
    path = folder / f"{name}.key"
    return load_key(path) if path.exists() else make_key(path, f"Dr {name}, Anstalt")


def bundled(folder, where, key, **asked):
    """A bundle of a folder, both gates waived unless asked otherwise."""
    if not {"accepted", "without_review"} & set(asked):
        asked["without_review"] = True
    if not {"audit", "without_audit"} & set(asked):
        asked["without_audit"] = True
    asked = {"judged": False, "credentials": False, "title": "Test set"} | asked
    request = ReleaseRequest(source=folder, out=where, **asked)
    return release(request, key, MADE, lambda *_: None)


def signed_again(bundle, key, said):
    """Close a bag whose payload was changed, as a lying signer would."""
    for name in (TAG_MANIFEST, SIGNATURE):
        (bundle / name).unlink()
    tags = {FIRST_PAGE: b"first page\n", PUBLIC_KEY: key.public.to_bytes()}
    (bundle / INFO).unlink()
    digest = close_bag(bundle, {"Source-Organization": "a liar"}, tags)
    envelope = sealed(statement(RELEASE, {TAG_MANIFEST: digest}, said), key)
    (bundle / SIGNATURE).write_bytes(envelope)


def verdicts(path, files, **other):
    """A JSON of verdicts: file to verdict."""
    import hashlib

    images = [
        {
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "verdict": verdict,
            "reads": 2,
        }
        for file, verdict in files.items()
    ]
    said = {"study": "s1", "rule": "majority", "log_head": "h", "images": images}
    path.write_text(json.dumps(said | {"rejected": 1, "undecided": 0} | other))
    return path


def audit_in(folder, files, made="2026-05-02T00:00:00+00:00", copies=()):
    """An audit report of these files."""
    import hashlib

    from radsmith.release.gates import digest_of

    digests = [hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in files]
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "made": made,
        "synthetic": {"images": len(digests), "digest": digest_of(digests)},
        "copies": [{"file": c, "nearest": "DoeJane/0001.png", "score": 0.1} for c in copies],
        "verdict": {"sentence": "no sign of copying was found", "rule": "1 of 100 real"},
        "controls": {"planted": {"found": 0.9, "file": "DoeJane/0002.png"}},
    }
    (folder / "audit.json").write_text(json.dumps(said))
    return folder
