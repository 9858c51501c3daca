"""Request and response shapes of OpenAI's Images API, with radsmith's extras. Their names live
in this package alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from radsmith.engines.choice import Choice, settings_for
from radsmith.images.lossy import QUALITY
from radsmith.images.provenance import MAX_SEED, Settings
from radsmith.language.reading import LONGEST_TEXT
from radsmith.server.store.settings import MAX_IMAGES
from radsmith.server.web.problem import Problem

Size = Annotated[str, Field(pattern=r"^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$")]
OUTPUTS = Literal["png", "png16", "dicom", "jpeg", "webp"]
MODEL_ALIASES = (
    "radsmith-default", "dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5",
    "gpt-image-2", "chatgpt-image-latest",
)  # fmt: skip
"""What may be asked for: the model itself, and names that scripts send; one model draws for all."""
_LIKE = re.compile(r"dall-e-\d|(chat)?gpt-image-[\w.-]{1,60}")
_IN_BASE64 = ("gpt-image", "chatgpt-image")
"""Models whose answers hold the images themselves where nothing else is asked."""
_NO_MEANING = ("quality", "style", "moderation", "input_fidelity", "partial_images")
_MOST_NAMED = 20


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("the text must not hold NUL characters or lone surrogates")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Extras(BaseModel):
    """radsmith's own parameters: `extra_body` in OpenAI's client."""

    model_config = ConfigDict(extra="allow", strict=True)

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
    background: Literal["auto", "opaque", "transparent"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, description="Quality of jpeg and webp; left out: 95."
    )

    @property
    def pixels(self) -> tuple[int, int] | None:
        """(width, height) asked for, None for the natural aspect."""
        return pixels_of(self.size)

    @property
    def form(self) -> OUTPUTS:
        """The file format; radsmith's own word goes before OpenAI's."""
        return self.format or self.output_format or "png"

    @property
    def quality_of_file(self) -> int:
        """Of jpeg and webp, 0-100."""
        return QUALITY if self.output_compression is None else self.output_compression

    @property
    def in_base64(self) -> bool:
        """Whether the answer holds the images, or their addresses."""
        usual = "b64_json" if (self.model or "").startswith(_IN_BASE64) else "url"
        return (self.response_format or usual) == "b64_json"

    @property
    def ignored(self) -> list[str]:
        """Parameters given that mean nothing here, known and unknown."""
        told = [name for name in _NO_MEANING if getattr(self, name, None) is not None]
        if self.background == "transparent":
            told.append("background")
        if self.output_compression is not None and self.form not in ("jpeg", "webp"):
            told.append("output_compression")
        return [*told, *sorted(self.model_extra or {})][:_MOST_NAMED]

    def check_model(self, name: str) -> None:
        """Raise Problem for a model that is not here."""
        if self.model is not None and not is_model(self.model, name):
            raise unknown_model(self.model)


class GenerationRequest(Common):
    """Body of POST /v1/images/generations."""

    prompt: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]
    moderation: Text | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = Field(
        None, description="Images are drawn in one go: a stream holds finished images alone."
    )
    quality: Text | None = None
    safety_identifier: Annotated[Text, Field(max_length=512)] | None = None
    stream: bool | None = None
    style: Text | None = None


class EditFields(Common):
    """Fields of POST /v1/images/edits, beside the files `image` and `mask`. As form fields come as
    text, numbers and truths are read from it."""

    model_config = ConfigDict(extra="allow", strict=False)

    prompt: Annotated[Text, Field(min_length=1, max_length=LONGEST_TEXT)]
    strength: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="1: drawn anew; less: what is there is a beginning."
    )
    input_fidelity: Text | None = None
    moderation: Text | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    quality: Text | None = None
    safety_identifier: Annotated[Text, Field(max_length=512)] | None = None
    stream: bool | None = None


class VariationRequest(Common):
    """Fields of POST /v1/images/variations, beside the file `image`."""

    model_config = ConfigDict(extra="allow", strict=False)

    strength: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Above 0 (hardly changed) to 1 (drawn anew); left out: 0.5."
    )


class ImageItem(BaseModel):
    """One image. id: for DELETE /v1/images/ID.  radsmith: its provenance record."""

    id: str
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


class TokenDetails(BaseModel):
    """Tokens of one side; radsmith counts none."""

    image_tokens: int = 0
    text_tokens: int = 0


class Usage(BaseModel):
    """What OpenAI bills by; here nothing is counted, and nothing costs."""

    input_tokens: int = 0
    input_tokens_details: TokenDetails = TokenDetails()
    output_tokens: int = 0
    output_tokens_details: TokenDetails = TokenDetails()
    total_tokens: int = 0


class ImagesResponse(BaseModel):
    """OpenAI's answer; `radsmith` is an addition."""

    created: int
    data: list[ImageItem]
    size: str
    background: Literal["opaque"] = "opaque"
    output_format: OUTPUTS
    quality: Literal["auto"] = "auto"
    usage: Usage = Usage()
    radsmith: BatchNotes


class Deleted(BaseModel):
    """What a DELETE removed. made_from_it: images drawn from it, which stay."""

    id: str
    object: Literal["image.deleted", "images.deleted"] = "image.deleted"
    deleted: Literal[True] = True
    images: int = 1
    files: int
    made_from_it: int = 0


class Model(BaseModel):
    """One model. drawn_by: the model that draws for its name."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "radsmith"
    drawn_by: str


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


def pixels_of(size: Size | None) -> tuple[int, int] | None:
    """(width, height) of "512x256", None for the natural aspect."""
    if size is None or size == "auto":
        return None
    width, _, height = size.partition("x")
    return int(width), int(height)


def fitted(asked: tuple[int, int] | None, sides: tuple[int, int]) -> tuple[int, int] | None:
    """The nearest (width, height) of this aspect that can be drawn. sides: least and most."""
    if asked is None:
        return None
    scale = min(1.0, sides[1] / max(asked))
    scale = max(scale, sides[0] / min(asked))
    width, height = (min(sides[1], max(sides[0], round(side * scale))) for side in asked)
    return width, height


def is_model(asked: str, name: str) -> bool:
    """Whether the server draws for this name: its own model's, or one of OpenAI's."""
    return asked in (name, *MODEL_ALIASES) or bool(_LIKE.fullmatch(asked))


def unknown_model(name: str) -> Problem:
    """The answer for a model that is not here."""
    text = f"The model '{name[:80]}' does not exist. GET /v1/models lists what does."
    return Problem(404, text, param="model", code="model_not_found")
