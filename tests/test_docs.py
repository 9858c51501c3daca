"""Generated documentation is what the code would write, and relative links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

from radsmith.engines.model_files import load_facts

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands", "model_card"])
def test_generated_pages_are_up_to_date(build, name):
    path = DOCS / f"{name.replace('_', '-')}.md"
    assert path.read_text(encoding="utf-8") == getattr(build, name)(), "run `make docs`"


def test_the_card_quotes_figures_of_the_shipped_model(build):
    evaluation, _, rebuilt = build.measured()
    for report in (evaluation, rebuilt):
        assert report["model"]["digest"] == load_facts().digest, "measure the model again"


def test_links_lead_somewhere():
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
