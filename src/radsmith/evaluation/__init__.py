"""How good made images are: fidelity, usefulness, and whether they are copies.

Touches files in `judge_files`, `real_files`, `report_page`, `rebuild_page` and `octave_page` alone.
"""
