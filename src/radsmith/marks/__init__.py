"""What says, and proves, that an image is synthetic and who says so.

Keys and certificates, signed content credentials (C2PA), a watermark in the pixels, the detector
of them all. Knows neither words nor models. Touches files and the clock in `keys`, `signing` and
`detection`, and names paths in `credentials`: the rest takes and gives bytes and pixels.
"""
