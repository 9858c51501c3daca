"""Adding to a data set the images that it lacks; the originals stay as they are.

`plan` decides. Touches files in `work`, `run` and `output` alone.
"""
