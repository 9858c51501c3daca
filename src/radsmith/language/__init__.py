"""Words to concepts: the vocabulary, prompts, and radiologists' reports.

Knows no pixels. Touches no file but in `report_files`, which reads reports as text, XML and DICOM.
"""
