"""radsmith: synthetic radiology images with provenance. Not for diagnosis.

    picture = radsmith.generate("chest x-ray, PA view, adult, right pleural effusion", seed=7)
    picture.save("effusion.dcm")

What is here is read from the rooms when it is first used: importing radsmith takes no time, and
never torch. Everything else of the package may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from radsmith.version import __version__ as __version__

if TYPE_CHECKING:
    from radsmith.api.data import Dataset, evaluate
    from radsmith.api.model import change, generate, inpaint, load_model
    from radsmith.api.picture import Picture, open
    from radsmith.engines.engine import Engine
    from radsmith.errors import InvalidInput, NotFound, RadsmithError, Unavailable
    from radsmith.images.image import Image
    from radsmith.images.provenance import Generation as Record
    from radsmith.images.provenance import Settings

__all__ = [
    "Dataset",
    "Engine",
    "Image",
    "InvalidInput",
    "NotFound",
    "Picture",
    "RadsmithError",
    "Record",
    "Settings",
    "Unavailable",
    "change",
    "evaluate",
    "generate",
    "inpaint",
    "load_model",
    "open",
]
_PLACES = {
    "Engine": "engines.engine",
    "Image": "images.image",
    "Picture": "api.picture",
    "Record": "images.provenance",
    "Settings": "images.provenance",
    "open": "api.picture",
    **dict.fromkeys(("Dataset", "evaluate"), "api.data"),
    **dict.fromkeys(("InvalidInput", "NotFound", "RadsmithError", "Unavailable"), "errors"),
    **dict.fromkeys(("change", "generate", "inpaint", "load_model"), "api.model"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_PLACES[name]}")
    found = getattr(module, "Generation" if name == "Record" else name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
