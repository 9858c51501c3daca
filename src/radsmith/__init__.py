"""radsmith: synthetic radiology images with provenance. Not for diagnosis."""

from radsmith.version import __version__

__all__ = ["__version__"]
