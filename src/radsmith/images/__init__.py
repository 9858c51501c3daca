"""Pixels with their meaning, and the files that hold them.

Knows neither words nor models. Touches files in `pictures`, `report_files` (reports as text, XML
and DICOM SR) and `dicom.reading` alone, the error stream in `quiet`, and another process in
`dicom.apart`, which decodes compressed frames: `contact_sheet` and `dicom.synthetic` give bytes.
"""
