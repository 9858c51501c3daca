"""Models on disk: a folder with `model.json` and the files it names, each with its digest."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsmith.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from radsmith.engine import ModelFacts
    from radsmith.onnx_engine import OnnxEngine

SIDECAR = "model.json"


def default_folder() -> Path:
    """The model that ships with the package."""
    return Path(str(files("radsmith") / "weights"))


def load_facts(folder: Path | None = None) -> ModelFacts:
    """What the model in `folder` (default: the shipped one) says of itself; quick."""
    from radsmith.engine import ModelFacts

    return ModelFacts.from_config(read_config(folder or default_folder()))


def load_engine(folder: Path | None = None) -> OnnxEngine:
    """Read a model folder, checking every file's SHA-256 against the sidecar.

    Raises NotFound for a missing folder or file, InvalidInput for one that was changed.
    """
    from safetensors.numpy import load  # like onnxruntime not needed for the facts alone

    from radsmith.onnx_engine import ModelFiles, OnnxEngine

    folder = folder or default_folder()
    config = read_config(folder)
    wanted = dict(config["files"])
    parts = {name: _checked(folder / name, digest) for name, digest in wanted.items()}
    if config["digest"] != combined_digest(wanted):
        raise InvalidInput(f"{folder / SIDECAR} was changed: its digest does not match its files")
    missing = {"base.onnx", "upsampler.onnx", "prior.safetensors"} - set(parts)
    if missing:
        raise InvalidInput(f"{folder / SIDECAR} names no {', '.join(sorted(missing))}")
    return OnnxEngine(
        ModelFiles(
            config=config,
            base=parts["base.onnx"],
            upsampler=parts["upsampler.onnx"],
            arrays=load(parts["prior.safetensors"]),
        )
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The JSON sidecar of the model in `folder`."""
    path = folder / SIDECAR
    if not path.is_file():
        raise NotFound(f"no model in {folder}: expected {SIDECAR}; reinstall radsmith")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        dict(config["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is not a radsmith model description: {error}") from error
    return config


def combined_digest(digests: dict[str, str]) -> str:
    """One SHA-256 for the whole model, over the sorted names and digests of its files."""
    text = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(path: Path, digest: str) -> bytes:
    if not path.is_file():
        raise NotFound(f"the model file {path} is missing; reinstall radsmith")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise InvalidInput(f"the model file {path} was changed (SHA-256 differs); reinstall it")
    return data
