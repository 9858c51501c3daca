"""The served page, and the page of a SCORM package: its scripts and styles in one HTML file.

Each script becomes a function that gives its exports, in the order in which they need each other,
so that one file runs from an LMS and from a disk alike.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files

_STUDIO, _TEACH = "radsmith.server.studio", "radsmith.server.teaching"
_SCRIPTS = (
    (_STUDIO, "dom.js"),
    (_STUDIO, "viewer.js"),
    (_TEACH, "stage.js"),
    (_TEACH, "question.js"),
    (_TEACH, "player.js"),
)
_STYLES = ((_STUDIO, "studio.css"), (_TEACH, "teach.css"))
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "[^"]*?([a-z]+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:const|function|class) ([\w$]+))", re.MULTILINE)


def page_html() -> str:
    """The page as it is served."""
    return _with_work(_read(_TEACH, "teach.html"))


def _with_work(page: str) -> str:
    """With the part in which questions are asked: the same for both pages."""
    return page.replace("{{ work }}", _read(_TEACH, "work.html"))


def player_html(title: str) -> str:
    """The whole page; it reads its questions from `questions.js` beside it."""
    page = _with_work(_read(_TEACH, "player.html"))
    styles = "\n".join(_read(*style) for style in _STYLES)
    page = page.replace("{{ title }}", escape(title)).replace("{{ style }}", styles)
    return page.replace("{{ script }}", "\n".join(_scoped(*script) for script in _SCRIPTS))


def _scoped(package: str, name: str) -> str:
    """A module as a function's scope: what it imports from others, what it gives to them."""
    text = _read(package, name)
    exported = ", ".join(found[1] for found in _EXPORT.findall(text))
    text = _IMPORT.sub(lambda found: f"const {found[1]} = {found[2]}_js;", text)
    text = _EXPORT.sub(lambda found: found[1], text)
    return (
        f"const {name.removesuffix('.js')}_js = (() => {{\n{text}\nreturn {{ {exported} }};\n}})();"
    )


@cache
def _read(package: str, name: str) -> str:
    return (files(package) / "static" / name).read_text(encoding="utf-8")
