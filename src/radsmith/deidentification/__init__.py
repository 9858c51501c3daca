"""Taking what tells the patient out of real images and reports.

Touches files in `run` and `surroundings` alone; `attributes` counts in days and reads no clock.
"""
