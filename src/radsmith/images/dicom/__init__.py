"""DICOM objects: written, read, and their pixels decoded."""
