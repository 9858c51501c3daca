"""The judge and other encoders on disk: an ONNX file with a JSON file of the same name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from radsmith.engines.model_files import default_folder
from radsmith.errors import InvalidInput, NotFound
from radsmith.evaluation.features import Space, judge_space, onnx_space, pixel_space
from radsmith.evaluation.judge import Judge
from radsmith.files import read_bytes


def load_judge(path: Path | None = None) -> Judge:
    """The judge whose sidecar is `path` (default: the shipped one), its digest checked."""
    path = path or default_folder() / "judge.json"
    if not path.is_file():
        raise NotFound(f"no judge {path}: reinstall radsmith, or train one with radsmith judge")
    config = _config(path)
    model = read_bytes(path.with_suffix(".onnx"))
    if not {"side", "groups", "digest"} <= set(config):
        raise InvalidInput(f"{path} is not a judge: it needs side, groups and digest")
    if hashlib.sha256(model).hexdigest() != config["digest"]:
        raise InvalidInput(f"the judge beside {path} was changed (SHA-256 differs); reinstall it")
    return Judge(model, config)


def load_spaces(names: str, judge: Judge) -> dict[str, Space]:
    """Feature spaces from "judge,pixels,FILE.onnx".

    FILE.json beside an encoder may give its `side`, `mean` and `std`.
    Raises InvalidInput for an unknown name, NotFound for a missing file.
    """
    found: dict[str, Space] = {}
    for name in (part.strip() for part in names.split(",")):
        if name == "judge":
            found[name] = judge_space(judge)
        elif name == "pixels":
            found[name] = pixel_space
        elif name.endswith(".onnx"):
            stem, encode = load_encoder(Path(name).expanduser())
            found[stem] = encode
        else:
            raise InvalidInput(
                f"no feature space “{name}”: there are judge, pixels and paths to .onnx files"
            )
    return found


def load_encoder(path: Path) -> tuple[str, Space]:
    """The name and the space of an ONNX encoder, by the JSON file beside it where there is one."""
    sidecar = path.with_suffix(".json")
    config = _config(sidecar) if sidecar.is_file() else {}
    return path.stem, onnx_space(read_bytes(path), config)


def _config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(read_bytes(path))
        return dict(config)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON of an object: {error}") from error
