"""What says, and proves, that an image is synthetic and who says so.

Keys and certificates, signed content credentials (C2PA), a watermark in the pixels. Knows
neither words nor models. Touches files and the clock in `keys` alone: the others take and give
bytes and pixels.
"""
