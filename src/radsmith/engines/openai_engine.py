"""Any endpoint that speaks OpenAI's images API, as an engine: /images/generations, /images/edits.

The endpoint draws squares in colour; here they become grayscale and the size asked for. OpenAI's
field names live in this module and in the server's, nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image as Picture

from radsmith.engines.engine import SMALLEST, Ask, Completion, Given, ModelFacts, check_size
from radsmith.errors import InvalidInput, NotFound, RadsmithError, Unavailable
from radsmith.images.image import Array, Mask, quantize
from radsmith.images.regions import through_square
from radsmith.images.resize import fitted

if TYPE_CHECKING:
    import httpx

SIDES = (256, 512, 1024)
LARGEST_ANSWER = 4096
"""Pixels a side of the largest picture that is accepted as an answer."""
ATTEMPTS = 4
LONGEST_WAIT = 60.0
KEY = "RADSMITH_OPENAI_KEY"
OFFICIAL = ("api.openai.com", "OPENAI_API_KEY")
"""A key of that name is sent to that host alone."""
NOTES = (
    "what this endpoint's model learned is unknown to radsmith",
    "the endpoint knows neither seed, steps nor guidance: asking again gives another image",
    "colour answers are brought to gray (ITU-R BT.601 luma)",
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A model behind a base URL, such as dall-e-2 at https://api.openai.com/v1."""

    model: str
    base_url: str

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read "MODEL@BASE_URL". Raises InvalidInput for other text, or a URL with a password."""
        model, _, url = text.partition("@")
        parts = urlsplit(url)
        if not model or parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(
                "an endpoint is MODEL@BASE_URL, such as dall-e-2@https://api.openai.com/v1,"
                f" got {text!r}"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise InvalidInput(f"give the key in {KEY}, not in the address: nothing but the path")
        return cls(model=model, base_url=url.rstrip("/"))

    @property
    def facts(self) -> ModelFacts:
        """Name, and as digest that of address and model name: the weights are out of reach."""
        return ModelFacts(
            name=f"{self.model}@{self.base_url}",
            digest=hashlib.sha256(f"{self.base_url} {self.model}".encode()).hexdigest(),
            images=None,
            together=None,
            engine="openai",
            sides=(SMALLEST, SIDES[-1]),
            notes=NOTES,
        )

    @property
    def sides(self) -> tuple[int, ...]:
        """Squares the model draws; the newer ones of OpenAI have one size only."""
        return SIDES[-1:] if self._newer or self.model.startswith("dall-e-3") else SIDES

    @property
    def form(self) -> dict[str, str]:
        """How the answer is asked for inline; the newer models always do, and refuse the field."""
        return {} if self._newer else {"response_format": "b64_json"}

    @property
    def _newer(self) -> bool:
        return self.model.startswith(("gpt-image", "chatgpt-image"))

    @property
    def key(self) -> str:
        """The API key of the environment, empty where there is none."""
        own = os.environ.get(KEY, "")
        if not own and urlsplit(self.base_url).hostname == OFFICIAL[0]:
            return os.environ.get(OFFICIAL[1], "")
        return own


class OpenAIEngine:
    """An images endpoint. Implements `Engine`.

    sleep: waits so many seconds between attempts.
    """

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        try:
            import httpx
        except ImportError as error:
            raise Unavailable(
                "an images endpoint needs httpx: install it with `pip install radsmith[remote]`"
            ) from error
        self.facts = endpoint.facts
        self._endpoint = endpoint
        self._sleep = sleep
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        times = httpx.Timeout(300.0, connect=10.0)
        ends = httpx.Limits(max_keepalive_connections=0)  # an image takes longer than connecting
        self._client = httpx.Client(headers=headers, timeout=times, limits=ends)
        self._plain = httpx.Client(timeout=times, limits=ends)  # for addresses: no key

    def generate(self, ask: Ask) -> Array:
        """One image: (height, width) in 0-1, cut from the middle of a square and resized."""
        size = ask.settings.size
        check_size(size, self.facts.sides)
        side = self._side(max(size or SIDES[1:2]))
        drawn = self._asked("images/generations", json=self._body(ask, side))
        return fitted(drawn, *(size or (side, side)))

    def fill(self, given: Given, ask: Ask) -> Completion:
        """The given image completed, through a square window around the hole.

        Raises InvalidInput for a strength below 1: the API has no such thing.
        """
        if given.strength < 1 and not given.sketched:
            raise InvalidInput(
                "an images endpoint draws anew and cannot begin from given pixels: strength"
                f" {given.strength:g} was asked, give --strength 1 or use another engine"
            )
        side = self._side(max(given.mask.shape))
        if given.mask.all():
            drawn = self._asked("images/generations", json=self._body(ask, side))
            pixels = fitted(drawn, *given.mask.shape[::-1])
            return Completion(pixels=pixels, concepts=ask.concepts)

        def draw(pixels: Array, hole: Mask) -> Array:
            files = {
                "image": ("image.png", _png(pixels), "image/png"),
                "mask": ("mask.png", _mask_png(hole), "image/png"),
            }
            drawn = self._asked("images/edits", data=self._body(ask, side), files=files)
            return fitted(drawn, side, side)

        pixels = through_square(given.pixels, given.mask, side, draw)
        return Completion(pixels=pixels, concepts=ask.concepts)

    def _side(self, wanted: int) -> int:
        """The smallest square that loses nothing, else the largest there is."""
        sides = self._endpoint.sides
        return next((side for side in sides if side >= wanted), sides[-1])

    def _body(self, ask: Ask, side: int) -> dict[str, Any]:
        shown, absent = ask.words
        text = ", ".join(
            [shown or "radiology image", *(f"no {a}" for a in absent.split(", ") if a)]
        )
        return {
            "model": self._endpoint.model,
            "prompt": text,
            "n": 1,
            "size": f"{side}x{side}",
            **self._endpoint.form,
        }

    def _asked(self, path: str, **request: Any) -> Array:
        """The picture an answer holds or points to, in gray."""
        url = f"{self._endpoint.base_url}/{path}"
        answer = self._retried(lambda: self._client.post(url, **request))
        try:
            item = answer.json()["data"][0]
            inline, address = item.get("b64_json"), item.get("url")
            if inline:
                return _gray(base64.b64decode(inline, validate=True))
        except (ValueError, LookupError, TypeError, AttributeError, binascii.Error) as error:
            raise Unavailable(f"{url} answered with something that is no image: {error}") from error
        if not address:
            raise Unavailable(f"{url} answered without an image: no b64_json and no url")
        return _gray(self._retried(lambda: self._plain.get(str(address))).content)

    def _retried(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """A good answer; waits and asks again where the endpoint is busy or out of reach."""
        import httpx

        for attempt in range(1, ATTEMPTS + 1):
            wait = 2.0 ** (attempt - 1)
            try:
                answer = send()
                if answer.is_success:
                    return answer
                failure = _failure(answer, self._endpoint)
                if answer.status_code != 429 and answer.status_code < 500:
                    raise failure
                wait = _retry_after(answer.headers, wait)
            except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
                failure = Unavailable(
                    f"cannot reach {self._endpoint.base_url}: {error or type(error).__name__};"
                    " is it running, and the address right?"
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Unavailable(f"{self._endpoint.base_url} cannot be asked: {error}") from error
            if attempt == ATTEMPTS or wait > LONGEST_WAIT:
                break
            self._sleep(wait)
        raise failure


def _failure(answer: httpx.Response, endpoint: Endpoint) -> RadsmithError:
    """What the endpoint said, and the mend, as one of our errors."""
    try:
        said = str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        said = answer.reason_phrase or "no reason given"
    text = f"{endpoint.base_url} answered {answer.status_code}: {said[:500]}"
    if answer.status_code in (401, 403):
        return Unavailable(f"{text}; give a valid key in the environment variable {KEY}")
    if answer.status_code == 404:
        return NotFound(f"{text}; is {endpoint.model!r} a model there, and the base URL right?")
    if answer.status_code == 429 or answer.status_code >= 500:
        return Unavailable(f"{text}; try again later")
    return InvalidInput(text)


def _retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    """Seconds to wait, by the header Retry-After (RFC 9110, 10.2.3)."""
    said = headers.get("retry-after", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return otherwise


def _gray(data: bytes) -> Array:
    """A picture's luma in 0-1. Raises Unavailable for what is no picture or too large."""
    try:
        with Picture.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            if max(picture.size) > LARGEST_ANSWER:
                raise Unavailable(f"the answer is a picture of {picture.size} pixels: too large")
            gray = picture.convert("RGB").convert("L")
            return np.asarray(gray, np.float32) / np.float32(255)
    except (OSError, ValueError, SyntaxError) as error:
        raise Unavailable(f"the answer is no PNG, JPEG or WebP picture: {error}") from error


def _png(pixels: Array) -> bytes:
    """Gray as RGB, 8 bit: what every endpoint takes."""
    levels = quantize(pixels, 8)
    return _bytes(Picture.fromarray(np.repeat(levels[..., None], 3, axis=2)))


def _mask_png(hole: Mask) -> bytes:
    """Transparent where pixels are to be drawn."""
    rgba = np.zeros((*hole.shape, 4), np.uint8)
    rgba[..., 3] = np.where(hole, 0, 255)
    return _bytes(Picture.fromarray(rgba))


def _bytes(picture: Picture.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
