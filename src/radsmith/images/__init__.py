"""Pixels with their meaning, and the files that hold them.

Knows neither words nor models. Touches files in `pictures` and `dicom.reading` alone, and the error
stream in `quiet`: `contact_sheet` and `dicom.synthetic` give bytes, and read no clock.
"""
