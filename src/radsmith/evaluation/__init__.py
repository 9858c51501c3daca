"""How good made images are: fidelity, usefulness, and whether they are copies.

Touches files in `judge_files`, `report_page` and `rebuild_page` alone.
"""
