"""Models on disk: `model.json` and the files it names, each with its digest.

They lie in a folder, or in one `.radsmith` file: an uncompressed zip of the same names.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsmith.errors import InvalidInput, NotFound
from radsmith.files import MAX_BYTES, write_atomically

if TYPE_CHECKING:
    from radsmith.engines.default.onnx_engine import ModelFiles, OnnxEngine
    from radsmith.engines.engine import ModelFacts

SIDECAR = "model.json"
SUFFIX = ".radsmith"
PRIOR = "prior.safetensors"


def default_folder() -> Path:
    """The model that ships with the package."""
    return Path(str(files("radsmith") / "weights"))


def load_facts(model: Path | None = None) -> ModelFacts:
    """What a model (default: the shipped one) says of itself; quick."""
    from radsmith.engines.engine import ModelFacts

    return ModelFacts.from_config(read_config(model or default_folder()))


def load_engine(model: Path | None = None) -> OnnxEngine:
    """Read a model, checking every file's SHA-256 against the sidecar.

    Raises NotFound for a missing model or file, InvalidInput for one that was changed.
    """
    from radsmith.engines.default.onnx_engine import OnnxEngine

    return OnnxEngine(load_files(model))


def load_files(model: Path | None = None) -> ModelFiles:
    """The parts of a model (default: the shipped one), checked as `load_engine` says."""
    from safetensors.numpy import load  # like onnxruntime not needed for the facts alone

    from radsmith.engines.default.onnx_engine import ModelFiles
    from radsmith.engines.default.stages import FINER, LATER

    model = model or default_folder()
    config = read_config(model)
    wanted = dict(config["files"])
    if config["digest"] != combined_digest(wanted):
        raise InvalidInput(f"{model} was changed: its digest does not match its files")
    if "upsampler.onnx" in wanted:
        raise InvalidInput(
            f"{model} was made by an earlier radsmith, whose base drew 64x64 at once: make it again"
            " (radsmith finetune, or radsmith train) with this one"
        )
    stages = [s for s in ("base", *FINER) if s not in LATER or f"{s}.onnx" in wanted]
    names = (*(f"{stage}.onnx" for stage in stages), PRIOR)
    missing = set(names) - set(wanted)
    if missing:
        raise InvalidInput(f"{model} names no {', '.join(sorted(missing))}")
    parts = {name: _checked(model, name, wanted[name]) for name in names}
    return ModelFiles(
        config=config,
        networks={stage: parts[f"{stage}.onnx"] for stage in stages},
        arrays=load(parts[PRIOR]),
    )


def read_config(model: Path) -> dict[str, Any]:
    """The JSON sidecar of a model; the concepts it brings along enter the vocabulary."""
    data = _read(model, SIDECAR)
    if data is None and (model / "train.csv").is_file():
        raise InvalidInput(
            f"{model} is a data set, no model: make one of it with radsmith finetune {model}"
        )
    if data is None:
        raise NotFound(f"no model in {model}: expected {SIDECAR}; reinstall radsmith")
    try:
        config: dict[str, Any] = json.loads(data)
        dict(config["files"])
        if config.get("vocabulary"):
            from radsmith.language.vocabulary import learn_concepts

            learn_concepts(str(config["vocabulary"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{model} is not a radsmith model: {error!r}") from error
    return config


def pack(parts: Mapping[str, bytes], path: Path) -> None:
    """Write a model as one file, whole or not at all. parts: file name -> contents."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            archive.writestr(zipfile.ZipInfo(name), parts[name])  # the same bytes at any time
    write_atomically(path, stream.getvalue())


def _read(model: Path, name: str) -> bytes | None:
    """A file of a model; None where it is not there."""
    try:
        if model.is_dir():
            return (model / name).read_bytes() if (model / name).is_file() else None
        if not model.is_file():
            raise NotFound(f"no model in {model}: give a {SUFFIX} file or a model folder")
    except OSError as error:
        raise InvalidInput(f"no model in {model}: {error.strerror}") from error
    try:
        with zipfile.ZipFile(model) as archive:
            if archive.getinfo(name).file_size > MAX_BYTES:
                raise InvalidInput(f"{name} in {model} is too large for a model")
            return archive.read(name)
    except KeyError:
        return None
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InvalidInput(f"{model} is not a {SUFFIX} file: {error}") from error


def combined_digest(digests: dict[str, str]) -> str:
    """One SHA-256 for the whole model, over the sorted names and digests of its files."""
    text = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(model: Path, name: str, digest: str) -> bytes:
    data = _read(model, name)
    if data is None:
        raise NotFound(
            f"{name} is missing in the model {model}; reinstall radsmith, or get it again"
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise InvalidInput(
            f"{name} in the model {model} was changed (SHA-256 differs); get it again"
        )
    return data
