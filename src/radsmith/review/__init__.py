"""What experts say of images, and what may enter a data set because of it.

Pure: rubric, design, verdicts, figures of agreement and acceptance, the gate. Touches files and the
clock in `accepted`, `data_sets`, `desk`, `dicom_verdicts`, `exchange`, `gathering`, `log`,
`ratings_files`, `report_page`, `scoring`, `study`. Knows no server.
"""
