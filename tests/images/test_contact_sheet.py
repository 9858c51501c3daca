"""Laws: every tile is shown whole, the mark is always there, a page asks nobody for anything."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from radsmith.errors import InvalidInput
from radsmith.images.contact_sheet import (
    MARK,
    MAX_SHEET_PIXELS,
    PREVIEW_SIDE,
    Group,
    Tile,
    contact_page,
    contact_sheet,
    display_levels,
)
from radsmith.images.image import Image, Window
from radsmith.images.provenance import NOTICE, Generation

EVIL = "<script>alert('x')</script> & \"quotes\" <img src=http://x.test/a>"


def gray(value: float = 1.0, height: int = 8, width: int = 8, **changes: object) -> Image:
    return Image(pixels=np.full((height, width), value), **changes)  # type: ignore[arg-type]


def tile(caption: str = "a", **changes: object) -> Tile:
    return Tile(image=gray(**changes), caption=caption)  # type: ignore[arg-type]


def opened(data: bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def white_boxes(data: bytes) -> tuple[int, int]:
    """(width, height) of the area that is pure white: the tiles, never the text."""
    white = (opened(data) == 255).all(axis=2)
    rows, columns = np.nonzero(white.sum(axis=1) > 20)[0], np.nonzero(white.sum(axis=0) > 20)[0]
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


class Page(HTMLParser):
    """Tags with their attributes, and the text outside `style`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize(
    ("height", "width", "spacing", "expected"),
    [
        (8, 8, None, (128, 128)),
        (8, 4, None, (64, 128)),
        (4, 8, None, (128, 64)),
        (8, 8, (1.0, 0.5), (64, 128)),
        (900, 300, None, (43, 128)),
    ],
)
def test_a_tile_is_shown_whole_in_its_physical_aspect(
    height: int, width: int, spacing: tuple[float, float] | None, expected: tuple[int, int]
) -> None:
    one = tile(height=height, width=width, spacing=spacing)
    assert white_boxes(contact_sheet([one], 1, 128)) == expected


@given(number=st.integers(1, 9), columns=st.integers(1, 12))
def test_a_sheet_has_room_for_every_tile(number: int, columns: int) -> None:
    sheet = opened(contact_sheet([tile()] * number, columns, 32))
    assert (sheet == 255).all(axis=2).sum() == number * 32 * 32


def test_the_mark_is_on_every_sheet_for_people_and_machines() -> None:
    data = contact_sheet([tile("")], 1, 64)
    with Pillow.open(io.BytesIO(data)) as picture:
        assert "trainedAlgorithmicMedia" in picture.info["XML:com.adobe.xmp"]
        assert picture.info["Description"] == NOTICE
    sheet = opened(data).astype(int)
    amber = (sheet[..., 0] - sheet[..., 2] > 100).any(axis=1)
    assert amber[:46].any() and amber[-34:].any()


@pytest.mark.parametrize("caption", ["long " * 200, "x" * 5000, "", "  ", "é ß 胸 – \0 \n"])
def test_captions_never_leave_their_column(caption: str) -> None:
    with_text = opened(contact_sheet([tile(caption)] * 2, 2, 300, title=caption))
    plain = opened(contact_sheet([tile("")] * 2, 2, 300))
    assert with_text.shape == plain.shape
    touched = np.nonzero((with_text != plain).any(axis=2)[46:].any(axis=0))[0]
    columns = set(range(13, 315)) | set(range(327, 629))  # a letter may blur by one pixel
    assert set(touched) <= columns


def test_captions_are_drawn() -> None:
    first, second = (contact_sheet([tile(text)], 1) for text in ("chest", "knee"))
    assert not np.array_equal(opened(first), opened(second))


@pytest.mark.parametrize(
    ("tiles", "columns", "side"), [(0, 1, 64), (1, 0, 64), (1, 1, 31), (1, 1, 1025)]
)
def test_impossible_sheets_are_refused(tiles: int, columns: int, side: int) -> None:
    with pytest.raises(InvalidInput):
        contact_sheet([tile()] * tiles, columns, side)


def test_a_sheet_too_large_is_refused_undrawn() -> None:
    with pytest.raises(InvalidInput, match="use several"):
        contact_sheet([tile()] * (MAX_SHEET_PIXELS // 1024**2 + 9), 4, 1024)


def test_other_units_are_shown_by_their_window_or_range() -> None:
    values = np.array([[-200.0, -160.0, 40.0, 240.0, 900.0]])
    windowed = Image(pixels=values, unit="HU", window=Window(center=40, width=400))
    assert display_levels(windowed).tolist() == [[0, 0, 128, 255, 255]]
    stored = Image(pixels=np.array([[100, 300]], np.int16), unit="stored value")
    assert display_levels(stored).tolist() == [[0, 255]]
    assert display_levels(gray(0.5)).tolist()[0][0] == 128
    assert display_levels(Image(pixels=np.full((1, 1), 7), unit="stored value")).item() == 0


def made() -> Generation:
    return Generation(
        radsmith_version="0.1.0",
        operation="generate",
        engine="onnx",
        model="tiny",
        model_digest="ab",
        prompt=EVIL,
        canonical_prompt="chest",
        concepts=("chest",),
        seed=7,
        num_steps=4,
        guidance_scale=1.5,
        width=8,
        height=8,
        created="2026-01-02T03:04:05+00:00",
        pixels_sha256="cd",
    )


def test_text_on_a_page_is_text() -> None:
    item = Tile(image=gray(), caption=EVIL, record=made())
    page = Page(contact_page(EVIL, [Group(title=EVIL, tiles=[item])]))
    assert page.all("script") == []
    assert len(page.all("img")) == 1
    assert page.all("img")[0]["alt"] == EVIL
    assert page.words.count(EVIL) == 4  # title, heading, group, caption; JSON escapes the record's


def test_a_page_shows_provenance_and_the_mark() -> None:
    item = Tile(image=gray(), caption="a", record=made())
    page = Page(contact_page("t", [Group(title="g", tiles=[item, tile()])]))
    assert len(page.all("details")) == 1
    assert '"seed": 7' in page.words
    assert MARK in page.words and NOTICE in page.words


def test_a_page_asks_nobody_for_anything() -> None:
    groups = [Group(title="g", tiles=[tile(), tile(), tile()])]
    text = contact_page("t", groups, ["a b.png", "sub/ü.dcm", "c#1.PNG"])
    page = Page(text)
    sources = [image["src"] or "" for image in page.all("img")]
    assert sources[0] == "a%20b.png" and sources[2] == "c%231.PNG"
    assert sources[1].startswith("data:image/png;base64,")
    assert [link["href"] for link in page.all("a")] == ["a%20b.png", "sub/%C3%BC.dcm", "c%231.PNG"]
    assert not page.all("link") and not page.all("script")
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_embedded_previews_hold_the_image() -> None:
    image = Image(pixels=np.linspace(0, 1, 2 * PREVIEW_SIDE)[None].repeat(4, axis=0))
    page = Page(contact_page("t", [Group(title="g", tiles=[Tile(image=image, caption="a")])]))
    source = page.all("img")[0]["src"] or ""
    preview = opened(base64.b64decode(source.partition(",")[2]))
    assert preview.shape == (2, PREVIEW_SIDE, 3)
    assert preview[0, 0, 0] <= 1 and preview[0, -1, 0] >= 254


@pytest.mark.parametrize(
    "file",
    ["", "/etc/x.png", "../x.png", "a/../../x.png", "http://x/a.png", "//x/a.png", "javascript:1",
     "a\\b.png"],
)  # fmt: skip
def test_links_lead_only_downward(file: str) -> None:
    with pytest.raises(InvalidInput, match="beside or below"):
        contact_page("t", [Group(title="g", tiles=[tile()])], [file])


def test_files_and_tiles_must_match() -> None:
    with pytest.raises(InvalidInput, match="expected 1 files"):
        contact_page("t", [Group(title="g", tiles=[tile()])], [])
