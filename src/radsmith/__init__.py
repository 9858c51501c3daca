"""radsmith: synthetic radiology images with provenance. Not for diagnosis."""

__version__ = "0.1.0"
