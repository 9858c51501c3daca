"""Adding synthetic images to a data set on disk; the originals stay as they are."""
