"""Builds sdist and wheel, checks what they say of themselves, and uses the wheel alone.

The wheel is installed into an empty environment, away from the checkout: what the package forgot
to take along shows there. `python packaging/try_wheel.py`
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
USE = """
import json, sys
from pathlib import Path
import radsmith
assert Path(radsmith.__file__).is_relative_to(sys.prefix), radsmith.__file__
import importlib.metadata
assert importlib.metadata.version("radsmith") == radsmith.__version__
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        source = where / "source"
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split("\0")
        for name in filter(None, tracked):  # built from what is committed or about to be
            if (ROOT / name).exists():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, source / name)
        _run(sys.executable, "-m", "build", "-o", where / "dist", source)
        made = sorted((where / "dist").iterdir())
        _run(sys.executable, "-m", "twine", "check", "--strict", *made)
        (wheel,) = (path for path in made if path.suffix == ".whl")
        venv.create(where / "venv", with_pip=True)
        python = where / "venv" / "bin" / "python"
        pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        _run(*pip, "-c", ROOT / "constraints.txt", wheel)
        _run(python, "-c", USE, cwd=where)
        radsmith = where / "venv" / "bin" / "radsmith"
        words = ["chest x-ray, PA view, adult, normal", "-n", "1", "--format", "dicom"]
        _run(radsmith, "generate", *words, "-o", where / "out", cwd=where)
        (image,) = (where / "out").glob("*.dcm")
        _run(radsmith, "inspect", image, cwd=where)
        _run(radsmith, "inpaint", image, "--box", "60,60,80,80", "-o", where / "edited", cwd=where)
        assert list((where / "edited").rglob("*.dcm")), "nothing was edited"
        sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in made)
        print(f"the wheel works alone: {sizes}")


def _run(*words: object, cwd: Path = ROOT) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run([str(word) for word in words], check=True, cwd=cwd, env=clean)


if __name__ == "__main__":
    main()
