"""Fine-tuned pipelines on disk: a LoRA or a whole pipeline, with a JSON sidecar of digests.

Knows no torch: the engine and the training read and write the same sidecar by this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radsmith.engines.model_files import combined_digest
from radsmith.errors import InvalidInput, NotFound

SIDECAR = "finetune.json"
LORA = "pytorch_lora_weights.safetensors"
KINDS = ("lora", "full")


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """What a sidecar says.

    kind: "lora" (weights to be added to the base) or "full" (the folder is a pipeline itself).
    base: folder or hub id of the pipeline it began from, base_digest: SHA-256 of that.
    files: name -> SHA-256.  side: pixels a side it was trained at.  note: for people.
    """

    kind: str
    base: str
    base_digest: str
    files: Mapping[str, str]
    side: int
    note: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not self.files or self.side < 1:
            raise InvalidInput(
                f"a fine-tuned pipeline is one of {KINDS} with files and a side, got"
                f" {self.kind!r}, {len(self.files)} files, {self.side}"
            )

    @property
    def digest(self) -> str:
        """One SHA-256 over the files and the base."""
        return combined_digest({**self.files, "base": self.base_digest})

    def check(self, folder: Path) -> None:
        """Compare the files in `folder` with their digests.

        Raises NotFound for a missing file, InvalidInput for one that was changed.
        """
        for name, digest in self.files.items():
            if not (folder / name).is_file():
                raise NotFound(f"{folder / name} is missing: {SIDECAR} names it; fine-tune again")
            if file_digest(folder / name) != digest:
                raise InvalidInput(
                    f"{folder / name} was changed (SHA-256 differs from {SIDECAR}): fine-tune"
                    " again, or restore it"
                )


def read_finetuned(folder: Path) -> Finetuned | None:
    """The sidecar in `folder`, None where there is none. Raises InvalidInput for a damaged one."""
    path = folder / SIDECAR
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Finetuned(
            kind=str(found["kind"]),
            base=str(found["base"]["where"]),
            base_digest=str(found["base"]["digest"]),
            files={str(k): str(v) for k, v in dict(found["files"]).items()},
            side=int(found["settings"]["resolution"]),
            note=str(found["note"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{path} describes no fine-tuned pipeline: {error}") from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file of any size."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
