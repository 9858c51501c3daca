"""What experts say of images, and what may enter a data set because of it.

Pure: rubric, design, verdicts, figures of agreement and acceptance. Touches files and the clock in
`accepted`, `desk`, `gathering`, `log`, `ratings_files`, `report_page`, `study`. Knows no server.
"""
