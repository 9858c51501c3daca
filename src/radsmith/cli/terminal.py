"""Where people read what a command says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def terminal(*, results: bool = False) -> Console:
    """Messages on stderr, or results on stdout; words are never taken for markup."""
    from rich.console import Console

    return Console(stderr=not results, highlight=False, markup=False)
