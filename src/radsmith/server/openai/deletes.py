"""DELETE /v1/images: one image, or all of this key; what OpenAI's API has no word for."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from radsmith.server.openai.images import RESPONSES
from radsmith.server.openai.shapes import Deleted
from radsmith.server.web.access import ApiCaller, Caller, ServicesDep
from radsmith.server.web.services import Services

router = APIRouter(prefix="/v1", responses=RESPONSES)


@router.delete("/images/{image}")
def delete_image(image: str, caller: ApiCaller, services: ServicesDep) -> Deleted:
    """Delete an image by the `id` of its answer. Its file goes from the disk where nothing else
    needs it; images made from it stay."""
    return deleted_image(services, caller, image)


@router.delete("/images")
def delete_everything(
    caller: ApiCaller,
    services: ServicesDep,
    confirm: Annotated[Literal["everything"], Query()],
) -> Deleted:
    """Delete all images, uploads and prompts of this key, and stop what is at work.
    Without keys: all that was ever asked for here without one."""
    return deleted_everything(services, caller)


def deleted_image(services: Services, caller: Caller, image: str) -> Deleted:
    """Delete one image of the caller's. Raises NotFound and InvalidInput."""
    gone = services.deleting.image(image, caller.owner)
    services.audit.note(caller.owner, caller.address, "delete", f"image {image}")
    return Deleted(id=image, files=gone.files, made_from_it=gone.made_from_it)


def deleted_everything(services: Services, caller: Caller) -> Deleted:
    """Delete all that the caller has."""
    gone = services.deleting.everything(caller.owner)
    services.pool.kill(list(gone.stopped))
    services.notices.all_changed()
    detail = f"everything: {gone.images} images, {gone.files} files"
    services.audit.note(caller.owner, caller.address, "delete", detail)
    return Deleted(id="everything", object="images.deleted", images=gone.images, files=gone.files)
