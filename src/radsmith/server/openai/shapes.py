"""Request and response shapes of OpenAI's Images API, with radsmith's extras. Their names live
in this package alone.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from radsmith.engines.choice import Choice, settings_for
from radsmith.images.provenance import MAX_SEED, Settings
from radsmith.language.reading import LONGEST_TEXT
from radsmith.server.store.settings import MAX_IMAGES
from radsmith.server.web.problem import Problem

Size = Literal["256x256", "512x512", "1024x1024", "auto"]
OUTPUTS = Literal["png", "png16", "dicom"]
MODEL_ALIASES = ("radsmith-default", "dall-e-2")
"""What may be asked for: the model itself, and the name older scripts send for any model."""
_NO_MEANING = ("quality", "style", "moderation", "output_compression", "partial_images")


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("the text must not hold NUL characters or lone surrogates")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Extras(BaseModel):
    """radsmith's own parameters: `extra_body` in OpenAI's client."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: Annotated[int, Field(ge=0, le=MAX_SEED - MAX_IMAGES)] | None = Field(
        None, description="Seed of the first image; the rest count up. Left out: random."
    )
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    guidance: Annotated[float, Field(ge=0, le=10)] | None = None
    format: OUTPUTS | None = Field(None, description="File format; left out: png, 8 bit.")
    strict: bool | None = Field(
        None, description="Refuse what is not understood or weakly learned."
    )

    def settings(self, engine: Choice) -> Settings:
        """How to sample; what is left out is the engine's usual."""
        return settings_for(engine, self.steps, self.guidance)

    def first_seed(self, retry_key: str | None) -> int:
        """The seed given, or a random one that a person can copy; the same for the same key, so
        that a repeated request asks for the same."""
        if self.seed is not None:
            return self.seed
        if retry_key is None:
            return secrets.randbelow(2**31)
        return int.from_bytes(hashlib.sha256(retry_key.encode()).digest()[:4], "big")


class Common(Extras):
    """What generations, edits and variations share."""

    model: Text | None = None
    n: Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    size: Size | None = None
    user: Annotated[Text, Field(max_length=512)] | None = None

    @property
    def side(self) -> int:
        """Pixels of a square image, 0 for the natural aspect."""
        return side_of(self.size)

    @property
    def form(self) -> OUTPUTS:
        """The file format."""
        return self.format or "png"

    def check_model(self, name: str) -> None:
        """Raise Problem for a model that is not here."""
        if self.model is not None and self.model not in (name, *MODEL_ALIASES):
            raise unknown_model(self.model)


class GenerationRequest(Common):
    """Body of POST /v1/images/generations."""

    prompt: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]
    background: Literal["auto", "opaque"] | None = None
    moderation: Literal["auto", "low"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    output_format: Literal["png"] | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = Field(
        None, description="Images are drawn in one go: a stream holds finished images alone."
    )
    quality: Literal["auto", "low", "medium", "high", "standard", "hd"] | None = None
    safety_identifier: Annotated[Text, Field(max_length=512)] | None = None
    stream: bool | None = None
    style: Literal["vivid", "natural"] | None = None

    @property
    def ignored(self) -> list[str]:
        """Parameters given that mean nothing to radsmith's model."""
        return [name for name in _NO_MEANING if getattr(self, name) is not None]


class EditFields(Common):
    """Fields of POST /v1/images/edits, beside the files `image` and `mask`. As form fields come as
    text, numbers and truths are read from it."""

    model_config = ConfigDict(extra="forbid", strict=False)

    prompt: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]
    strength: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="1: drawn anew; less: what is there is a beginning."
    )
    background: Literal["auto", "opaque"] | None = None
    input_fidelity: Literal["low", "high"] | None = None
    moderation: Literal["auto", "low"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    output_format: Literal["png"] | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    quality: Literal["auto", "low", "medium", "high", "standard", "hd"] | None = None
    safety_identifier: Annotated[Text, Field(max_length=512)] | None = None
    stream: bool | None = None

    @property
    def ignored(self) -> list[str]:
        """Parameters given that mean nothing to radsmith's model."""
        names = ("input_fidelity", *_NO_MEANING)
        return [name for name in names if getattr(self, name, None) is not None]


class VariationRequest(Common):
    """Fields of POST /v1/images/variations, beside the file `image`."""

    model_config = ConfigDict(extra="forbid", strict=False)

    strength: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Above 0 (hardly changed) to 1 (drawn anew); left out: 0.5."
    )


class ImageItem(BaseModel):
    """One image. radsmith: its provenance record."""

    url: str | None = None
    b64_json: str | None = None
    revised_prompt: str
    radsmith: dict[str, Any]


class BatchNotes(BaseModel):
    """What radsmith says of the request as a whole."""

    batch: str
    canonical_prompt: str
    not_understood: list[str]
    warnings: list[str]
    ignored: list[str]


class ImagesResponse(BaseModel):
    """OpenAI's answer; `radsmith` is an addition."""

    created: int
    data: list[ImageItem]
    size: str
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png"] | None = None
    radsmith: BatchNotes


class Model(BaseModel):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "radsmith"


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


def side_of(size: Size | None) -> int:
    """Pixels of a square image, 0 for the natural aspect."""
    return 0 if size in (None, "auto") else int(str(size).partition("x")[0])


def unknown_model(name: str) -> Problem:
    """The answer for a model that is not here."""
    text = f"The model '{name[:80]}' does not exist. GET /v1/models lists what does."
    return Problem(404, text, param="model", code="model_not_found")
