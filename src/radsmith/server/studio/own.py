"""What a person may do with what is theirs: take a batch along as one file, and delete."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from radsmith.errors import InvalidInput
from radsmith.images.contact_sheet import Tile, contact_sheet
from radsmith.images.image import Image
from radsmith.images.provenance import NOTICE, Generation
from radsmith.server.jobs.history import BatchView, StoredImage
from radsmith.server.jobs.renderings import SUFFIX, Format, Renderings, shown_levels
from radsmith.server.openai.deletes import deleted_everything, deleted_image
from radsmith.server.openai.images import RESPONSES
from radsmith.server.openai.shapes import Deleted
from radsmith.server.store.blobs import Blobs
from radsmith.server.web.access import ServicesDep, StudioCaller

router = APIRouter(prefix="/studio", responses=RESPONSES)
_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}
_THEN = (1980, 1, 1, 0, 0, 0)
"""Of the files in a ZIP: the same batch gives the same bytes."""


@router.delete("/images/{image}")
def delete_image(image: str, caller: StudioCaller, services: ServicesDep) -> Deleted:
    """Delete one image, drawn or opened here."""
    return deleted_image(services, caller, image)


@router.delete("/batches/{batch}")
def delete_batch(batch: str, caller: StudioCaller, services: ServicesDep) -> Deleted:
    """Delete all images of a batch, and its prompt."""
    gone = services.deleting.batch(batch, caller.owner)
    services.audit.note(caller.owner, caller.address, "delete", f"batch {batch}")
    return Deleted(
        id=batch,
        object="images.deleted",
        images=gone.images,
        files=gone.files,
        made_from_it=gone.made_from_it,
    )


@router.delete("/everything")
def delete_everything(caller: StudioCaller, services: ServicesDep) -> Deleted:
    """Delete all that this person has."""
    return deleted_everything(services, caller)


@router.get("/batches/{batch}/zip", response_class=Response, responses=_ZIP)
def batch_zip(
    batch: str,
    caller: StudioCaller,
    services: ServicesDep,
    form: Annotated[Format, Query()] = "png",
) -> Response:
    """The images of a batch in one file, with a contact sheet and all records as JSON."""
    view = services.history.batch(batch, caller.owner)
    data = zipped(view, services.renderings, form)
    name = f"radsmith-{view.id[:8]}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private"}
    return Response(data, media_type="application/zip", headers=headers)


def zipped(view: BatchView, renderings: Renderings, form: Format) -> bytes:
    """A ZIP of the images that were made, under plain names, in the order asked.

    Raises InvalidInput where none was: an upload's own file is with whoever brought it.
    """
    images = [job.image for job in view.jobs if job.image and job.image.facts["synthetic"]]
    if not images:
        raise InvalidInput("nothing was made in this batch: there is nothing to take along")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        listed = []
        for number, stored in enumerate(images, start=1):
            name = f"{number:02d}-{view.operation}-{stored.facts['seed']}{SUFFIX[form]}"
            _add(file, name, renderings.file_bytes(stored, form))
            listed.append({"file": name, **stored.facts})
        _add(file, "contact-sheet.png", _sheet(view, images, renderings.blobs))
        told = {"notice": NOTICE, "prompt": view.prompt, "images": listed}
        _add(file, "records.json", json.dumps(told, indent=1, ensure_ascii=False).encode())
    return stream.getvalue()


def _add(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Stored as it is: pictures are compressed already."""
    info = zipfile.ZipInfo(name, _THEN)
    info.external_attr = 0o644 << 16
    file.writestr(info, data)


def _sheet(view: BatchView, images: list[StoredImage], blobs: Blobs) -> bytes:
    tiles = [
        Tile(
            image=Image(pixels=shown_levels(stored, blobs), spacing=stored.spacing),
            caption=f"{stored.facts['seed']}: {stored.facts['canonical_prompt']}",
            record=Generation.from_json(stored.record),
        )
        for stored in images
    ]
    return contact_sheet(tiles, columns=min(4, len(tiles)), title=view.prompt or view.operation)
