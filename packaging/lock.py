"""Writes packaging/lock.txt: every package of the development environment, by its version.

`constraints.txt` names what we depend on; this also names what those depend on.
`make lock` after a change of either; install with `pip install -r packaging/lock.txt`.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

LOCK = Path(__file__).parent / "lock.txt"
APART = {"pip", "setuptools", "wheel", "radsmith"}


def main() -> None:
    found = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name not in APART:
            found[name] = distribution.version.split("+")[0]  # torch 2.13.0+cpu is 2.13.0
    lines = [f"{name}=={version}" for name, version in sorted(found.items())]
    LOCK.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} packages")


if __name__ == "__main__":
    main()
