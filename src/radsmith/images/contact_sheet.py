"""Many images at a glance: one PNG sheet, or one self-contained HTML page.

Both carry the synthetic mark where it cannot be scrolled or cropped away unnoticed, and neither
loads anything from elsewhere.
"""

from __future__ import annotations

import base64
import io
import json
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from html import escape
from itertools import chain
from pathlib import PurePosixPath
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont, PngImagePlugin

from radsmith.errors import InvalidInput
from radsmith.images.image import Image, quantize
from radsmith.images.marks import SHEET_KEY, XMP_KEY, xmp_packet
from radsmith.images.provenance import NOTICE, Generation

MARK = "Synthetic · not for diagnosis"
MAX_SHEET_PIXELS = 80_000_000
PREVIEW_SIDE = 512
_MARGIN, _HEADER, _FOOTER, _LINE = 14, 46, 34, 18
_CAPTION = 2 * _LINE + 8
_MIN_WIDTH = 480
_GROUND, _FRAME, _INK, _FAINT, _AMBER = "#15171a", "#000000", "#e8e8e6", "#a3a6aa", "#f2b64a"
_SHOWN_BY_BROWSERS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One image with its caption and, where it has one, its provenance."""

    image: Image
    caption: str
    record: Generation | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Tiles under one heading, such as the images of one prompt."""

    title: str
    tiles: Sequence[Tile]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures under a heading, with a note on how to read them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


def display_levels(image: Image) -> NDArray[np.uint8]:
    """8-bit gray for the eye, (height, width): intensity as it is, other units by their window.

    Without a window, the image's own range from lowest (black) to highest (white).
    """
    pixels = image.pixels.astype(np.float64)
    if image.unit != "intensity":
        low, width = float(pixels.min()), float(np.ptp(pixels))
        if image.window is not None:
            low, width = image.window.center - image.window.width / 2, image.window.width
        pixels = (pixels - low) / (width or 1.0)
    return quantize(pixels, 8).astype(np.uint8)


def contact_sheet(tiles: Sequence[Tile], columns: int, tile: int = 256, title: str = "") -> bytes:
    """An 8-bit RGB PNG: tiles of `tile` pixels a side, letterboxed on dark, two caption lines.

    Images keep their physical aspect where their spacing is known. Characters the built-in font
    lacks become plain letters or "?".
    Raises InvalidInput for no tiles, columns below 1, a tile side outside 32-1024, or a sheet
    above MAX_SHEET_PIXELS.
    """
    if not tiles:
        raise InvalidInput("a contact sheet needs at least one image")
    if columns < 1 or not 32 <= tile <= 1024:
        raise InvalidInput(f"expected 1 or more columns of 32-1024 pixels, got {columns} of {tile}")
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    content = columns * (tile + _MARGIN) + _MARGIN
    width = max(_MIN_WIDTH, content)
    height = _HEADER + rows * (tile + _CAPTION + _MARGIN) + _FOOTER
    if width * height > MAX_SHEET_PIXELS:
        raise InvalidInput(f"{len(tiles)} tiles make a sheet of {width} x {height}; use several")
    sheet = Pillow.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, width, title)
    left = (width - content) // 2 + _MARGIN
    for index, item in enumerate(tiles):
        row, column = divmod(index, columns)
        x = left + column * (tile + _MARGIN)
        y = _HEADER + row * (tile + _CAPTION + _MARGIN)
        draw.rectangle((x, y, x + tile - 1, y + tile - 1), fill=_FRAME)
        picture = _fitted(item.image, tile)
        offset = ((tile - picture.width) // 2, (tile - picture.height) // 2)
        sheet.paste(picture, (x + offset[0], y + offset[1]))
        for number, line in enumerate(_two_lines(item.caption, tile, _font(13))):
            draw.text((x, y + tile + 6 + number * _LINE), line, fill=_INK, font=_font(13))
    note = _clipped(NOTICE, width - 2 * _MARGIN, _font(13))
    draw.text((_MARGIN, height - 25), note, fill=_AMBER, font=_font(13))
    return _png(sheet, [item.record for item in tiles if item.record])


def contact_page(
    title: str,
    groups: Sequence[Group],
    files: Sequence[str] | None = None,
    tables: Sequence[Table] = (),
    lead: Sequence[str] = (),
) -> str:
    """One HTML page that needs nothing but itself and `files`; tables come first.

    lead: paragraphs above everything else, the first of them large.

    files: one relative link per tile, in order over all groups. PNG, JPEG and WebP files are
    shown from there; for other files, or without `files`, a preview is embedded.
    Raises InvalidInput for a wrong number of files or a link that is not relative and downward.
    """
    total = sum(len(group.tiles) for group in groups)
    if files is not None and len(files) != total:
        raise InvalidInput(f"expected {total} files, one per tile, got {len(files)}")
    links = iter([""] * total if files is None else [_link(file) for file in files])
    body = "".join(
        f'<p class="{"lead" if first == 0 else "under"}">{escape(text)}</p>\n'
        for first, text in enumerate(lead)
    )
    body += "".join(chain.from_iterable(_table(table) for table in tables))
    body += "".join(chain.from_iterable(_section(group, links) for group in groups))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " img-src 'self' file: data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        f'<header><h1>{escape(title)}</h1><p class="mark">{escape(MARK)}</p></header>\n'
        f"<main>\n{body}</main>\n<footer>{escape(NOTICE)}</footer>\n</body></html>\n"
    )


def _table(table: Table) -> Iterator[str]:
    yield f'<section><h2>{escape(table.title)}</h2><div class="table" tabindex="0"><table>\n'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    yield f"<thead><tr>{head}</tr></thead><tbody>\n"
    for row in table.rows:
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
        yield f"<tr>{cells}</tr>\n"
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    yield f"</tbody></table></div>{note}</section>\n"


def _section(group: Group, links: Iterator[str]) -> Iterator[str]:
    yield f"<section><h2>{escape(group.title)}</h2><div>\n"
    for item, link in zip(group.tiles, links, strict=False):
        shown = link.lower().endswith(_SHOWN_BY_BROWSERS)
        source = link if shown else _data_uri(item.image)
        picture = f'<img src="{source}" alt="{escape(item.caption)}" loading="lazy">'
        yield f'<figure><a href="{link}">{picture}</a>' if link else f"<figure>{picture}"
        yield f"<figcaption>{escape(item.caption)}"
        if item.record is not None:
            record = json.dumps(json.loads(item.record.to_json()), indent=1, ensure_ascii=False)
            yield f"<details><summary>provenance</summary><pre>{escape(record)}</pre></details>"
        yield "</figcaption></figure>\n"
    yield "</div></section>\n"


def _link(file: str) -> str:
    path = PurePosixPath(file)
    outside = path.is_absolute() or ".." in path.parts or "\\" in file
    if outside or not path.name or ":" in path.parts[0]:
        raise InvalidInput(f"a page links only to files beside or below it, got {file!r}")
    return quote(file)


def _data_uri(image: Image) -> str:
    data = _png(_fitted(image, min(PREVIEW_SIDE, max(image.size))), [])
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _fitted(image: Image, side: int) -> Pillow.Image:
    """The image in a square of `side` pixels, its physical aspect kept."""
    width, height = (float(extent) for extent in image.size)
    if image.spacing is not None:
        width, height = width * image.spacing[1], height * image.spacing[0]
    scale = side / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Pillow.fromarray(display_levels(image)).resize(size, Pillow.Resampling.LANCZOS)


def _png(picture: Pillow.Image, records: Sequence[Generation]) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(SHEET_KEY, json.dumps([asdict(r) for r in records], ensure_ascii=False))
    info.add_itxt("Description", NOTICE)
    info.add_itxt(XMP_KEY, xmp_packet(NOTICE))
    stream = io.BytesIO()
    picture.save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def _draw_header(draw: ImageDraw.ImageDraw, width: int, title: str) -> None:
    mark = draw.textlength(MARK, font=_font(15))
    draw.text((width - _MARGIN - mark, 14), MARK, fill=_AMBER, font=_font(15))
    room = width - 3 * _MARGIN - mark
    draw.text((_MARGIN, 14), _clipped(title, room, _font(15)), fill=_FAINT, font=_font(15))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _plain(text: str) -> str:
    """Only characters the built-in font can draw: ASCII, the ellipsis and the middle dot."""
    split = unicodedata.normalize("NFKD", text.replace("…", "\0").replace("ß", "ss"))
    letters = (c for c in split if not unicodedata.combining(c))
    known = (c if " " <= c <= "~" or c in "·\0" else "-" if c in "–—" else "?" for c in letters)
    return "".join(known).replace("\0", "…")


def _clipped(text: str, room: float, font: ImageFont.FreeTypeFont) -> str:
    """As much of the line as fits `room` pixels, ending in an ellipsis when cut."""
    text = _plain(text)[: int(room) + 1]  # no letter is narrower than a pixel
    if font.getlength(text) <= room:
        return text
    too_long = bisect_right(
        range(len(text)), room, key=lambda end: font.getlength(text[:end] + "…")
    )
    return text[: max(0, too_long - 1)].rstrip() + "…"


def _two_lines(caption: str, room: float, font: ImageFont.FreeTypeFont) -> list[str]:
    words = _plain(caption[: 4 * int(room)]).split()
    first = ""
    while words and font.getlength(f"{first} {words[0]}".strip()) <= room:
        first = f"{first} {words.pop(0)}".strip()
    if not first:
        return [_clipped(" ".join(words), room, font)]
    return [first, _clipped(" ".join(words), room, font)]


_STYLE = """
:root { color-scheme: light dark; --ground: #f6f6f4; --card: #fff; --ink: #1c1e21;
  --faint: #5d6167; --mark: #8a5200; --line: #d9d9d5; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171a; --card: #1e2125;
  --ink: #e8e8e6; --faint: #a3a6aa; --mark: #f2b64a; --line: #33373d; } }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
header { position: sticky; top: 0; display: flex; flex-wrap: wrap; gap: 0 1.5rem;
  align-items: baseline; justify-content: space-between; padding: .6rem 1.2rem;
  background: var(--ground); border-bottom: 1px solid var(--line); }
h1 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; font-weight: 600; margin: 1.4rem 0 .6rem; overflow-wrap: anywhere; }
.mark, footer { color: var(--mark); margin: 0; font-weight: 600; }
main { padding: 0 1.2rem; }
.lead { font-size: 1.3rem; font-weight: 600; max-width: 60rem; margin: 1.2rem 0 .8rem; }
.under { max-width: 60rem; margin: .5rem 0; }
section > .table { display: block; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; }
.note { color: var(--faint); max-width: 60rem; margin: .4rem 0 0; font-size: .9rem; }
section > div:not(.table) { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(240px, 100%), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); min-width: 0; }
img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #000; }
figcaption { padding: .5rem .7rem; overflow-wrap: anywhere; }
summary { color: var(--faint); cursor: pointer; font-size: .87rem; margin-top: .3rem; }
pre { font-size: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0 0; }
footer { padding: 1.2rem; }
"""
