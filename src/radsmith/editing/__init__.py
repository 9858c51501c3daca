"""From an image to another one: inpaint, outpaint, vary, change, interpolate, extend.

Touches files in `files` alone.
"""
