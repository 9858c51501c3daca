"""The commands that prove: what they ask for, and that `evaluate` stayed what it was."""

import pytest
from click.testing import CliRunner

from radsmith.cli import cli
from radsmith.errors import InvalidInput, NotFound

pytestmark = pytest.mark.slow


def said(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        (["made"], InvalidInput, "--train"),
        (["made", "--train", "t"], InvalidInput, "--held-out"),
        (["made", "--train", "t", "--held-out", "h"], NotFound, "no such folder: made"),
        (["made", "--train", "t", "--canaries"], InvalidInput, "leave SYNTHETIC out"),
        (
            ["--train", "t", "--canaries", "--engine", "openai:m@http://localhost"],
            InvalidInput,
            "cannot be fine-tuned",
        ),
    ],
)
def test_the_audit_says_what_is_missing(tmp_path, arguments, error, why):
    result = said("audit", *arguments, "-o", tmp_path / "report")
    assert isinstance(result.exception, error)
    assert why in str(result.exception)


def test_evaluate_is_still_a_command_and_has_utility_below(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = said("evaluate")
    assert alone.exit_code == 2 and "Missing option '--data'" in alone.output
    assert "utility" in said("evaluate", "--help").output
    assert "--synthetic" in said("evaluate", "utility", "--help").output
    missing = said("evaluate", "utility", "nowhere", "--synthetic", "nowhere", "--no-network")
    assert isinstance(missing.exception, NotFound)
    assert not list(tmp_path.iterdir())


def test_the_judge_never_measures_usefulness(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    result = said(
        *("evaluate", "utility", tmp_path, "--synthetic", tmp_path, "--no-network"),
        *("--features", "judge,texture", "-o", tmp_path / "out"),
    )
    assert isinstance(result.exception, InvalidInput)
    assert "judge was trained to tell these" in str(result.exception)
