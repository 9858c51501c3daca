"""An image, made or edited, as the bytes of a file of any kind; it carries its provenance.

An edited picture keeps its own depth and values. What came from DICOM stays so as DICOM, a PNG
shows it through its window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from radsmith.editing.dicom import Origin, as_shown, edited_dicom, whole_dicom
from radsmith.editing.operations import Source
from radsmith.images.pictures import png_bytes
from radsmith.images.provenance import Generation

if TYPE_CHECKING:
    from radsmith.images.dicom.reading import Whole

Format = Literal["png", "png16", "dicom"]


def file_bytes(
    source: Source,
    record: Generation,
    form: Format,
    origin: Origin | None = None,
    *,
    whole: Whole | None = None,
    parents: Iterable[tuple[str, str]] = (),
    uid_source: Callable[[], str] | None = None,
) -> bytes:
    """The image as a file. source: with the pixels as made; origin: of what came from DICOM;
    whole: all of such an object, of whose frames or colour the image is a part (`edited_whole`).

    "png16": 16 bits where 8 do not hold the values; stored values keep their own depth.  parents,
    uid_source: of `images.dicom.writing.dicom_bytes`.  Raises InvalidInput for values that the
    file cannot hold.
    """
    image = source.image
    words = record.canonical_prompt
    if form == "dicom" and origin is not None and whole is not None:
        return whole_dicom(whole, record, origin, words or source.words, parents)
    if form == "dicom" and origin is not None:
        return edited_dicom(source, record, origin, words, parents=parents, uid_source=uid_source)
    if form == "dicom":
        from radsmith.generation.dicom_codes import codes_of
        from radsmith.images.dicom.writing import dicom_bytes, new_uid  # pydicom is slow to start
        from radsmith.language.prompt import Prompt
        from radsmith.language.reading import read_prompt

        prompt = read_prompt(words).prompt if words else Prompt()
        return dicom_bytes(image, record, codes_of(prompt), uid_source or new_uid, parents=parents)
    bits = 16 if form == "png16" else 8
    if origin is not None:
        image = as_shown(source)
    elif image.unit == "stored value":
        bits = 8 * image.pixels.dtype.itemsize
    return png_bytes(image, record, bits=bits)
