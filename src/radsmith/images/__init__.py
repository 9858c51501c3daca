"""Pixels with their meaning, and the files that hold them.

Knows neither words nor models. Touches files in `pictures` and `dicom.reading` alone:
`contact_sheet` and `dicom.writing` give bytes, and read no clock.
"""
