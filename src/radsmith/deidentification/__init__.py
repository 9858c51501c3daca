"""Taking what tells the patient out of real images and reports.

Touches files in `run` alone; `attributes` counts in days and reads no clock.
"""
