"""How good made images are: fidelity, usefulness, and whether they are copies.

`audit/` proves what images tell of people, `utility/` what they are worth to train on. Touches
files in `judge_files`, `real_files`, `report_page`, `rebuild_page`, `octave_page`, `audit.sets`,
`audit.apart`, `audit.search`, `audit.looking`, `audit.run` (which reads the processor's clock too),
`audit.files`, `utility.leakage` and `utility.files` alone.
"""
