"""The usefulness report on disk: utility.json and index.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from radsmith.evaluation.utility.page import utility_page
from radsmith.files import prepare_folder, write_atomically


def write_utility(folder: Path, report: dict[str, Any]) -> Path:
    """Both files in `folder`; returns the page."""
    prepare_folder(folder)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "utility.json", text.encode())
    write_atomically(folder / "index.html", utility_page(report).encode())
    return folder / "index.html"
