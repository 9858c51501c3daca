"""Shells around the domain: files, pictures, DICOM. Import the modules, not this package."""
