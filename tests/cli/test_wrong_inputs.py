"""Whatever is wrong with what a command is given, it says so in one line and names it.

A part of all cases is run; WRONG_INPUTS=all runs every one of them.
"""

import gc
import os
import re
import sys
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from radsmith import cli
from radsmith.cli.terminal import one_line, terminal
from tests.cli.wrong_inputs import COMMANDS, cases, lay_out

CASES = list(cases(0 if os.environ.get("WRONG_INPUTS") == "all" else 32))
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}|<[\w.]+ object")
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
SOURCES = Path(cli.__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    lay_out(folder)
    return folder


@pytest.fixture
def run(place, tmp_path, monkeypatch, capfd):
    """Exit code and stderr of a command; what libraries write themselves counts as well."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(place)

    def ended(name, args):
        given = [a.replace("{out}", str(tmp_path / "out")) for a in args]
        given = [re.sub(r"\{([^}]+)\}", lambda m: str(place / m[1]), a) for a in given]
        monkeypatch.setattr(sys, "argv", ["radsmith", *name.split(), *given])
        code = 0
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                cli.main()
            except SystemExit as stop:
                code = stop.code or 0
            gc.collect(0)
        chatter = [str(w.message) for w in told if w.category is not ResourceWarning]
        out = capfd.readouterr()
        return code, out.err.strip(), [*chatter, *out.out.splitlines()]

    return ended


def named(value, said, option):
    """Whether a message names what was given: it, its end, its number, or what it was given to."""
    path = Path(value)
    parts = [value[:40], path.name[:40], str(path.parent), value.rpartition(":")[2][:40]]
    parts += value[:200].split(",")[1:]
    with suppress(ValueError):
        parts.append(f"{float(value):g}")
    parts = [part for part in parts if part.strip() not in ("", ".")] or ["''", "“”", "empty"]
    word = option.lstrip("-").replace("_", " ")
    return any(part in said for part in parts) or (word in said.lower()) or "characters" in said


@pytest.mark.parametrize(
    ("name", "what", "args", "value"), CASES, ids=[f"{c[0]} {c[1]}"[:60] for c in CASES]
)
def test_a_wrong_input_is_one_line_that_names_it(run, name, what, args, value):
    code, err, more = run(name, args)
    *before, last = err.splitlines() or [""]
    assert code not in (0, None), f"accepted: {err} {more}"
    assert last.startswith(("radsmith: ", "Error: ")) and len(last) <= 700, err
    assert "a fault of radsmith" not in last and "Traceback" not in err, err
    assert not ADDRESS.search(err) and not EMOJI.search(err.replace(value or "-", "")), err
    assert named(value, last, what.split()[0]), last
    told = [line for line in before if not line.startswith(("Usage", "Try", "  ", "…"))]
    assert len(told) <= 6 and not any("rror" in line or "arning" in line for line in told), err


def test_every_command_has_thirty_of_them():
    """A command within a group has as many as its few options allow, twelve at least."""
    counts = Counter(case[0] for case in CASES)
    assert set(counts) == set(COMMANDS)
    assert min(n for name, n in counts.items() if " " not in name) >= 30
    assert min(counts.values()) >= 12


def test_consoles_print_words_as_they_are(capsys):
    terminal(results=True).print("age_group:adult body_part:hand [left] :warning:")
    assert capsys.readouterr().out == "age_group:adult body_part:hand [left] :warning:\n"
    made = [p.name for p in SOURCES.glob("*.py") if re.search(r"\bConsole\(", p.read_text("utf-8"))]
    assert made == ["terminal.py"]


def test_a_message_is_one_printable_line_without_addresses():
    said = one_line("no\nimage <_io.BytesIO object at 0x7f01> in \x1b[31m" + "a/" * 300 + "b.png")
    assert said.startswith("no image in [31ma/") and said.endswith("a/b.png") and len(said) < 200
    assert "0x" not in said and "\n" not in said and "\x1b" not in said


def test_a_fault_of_our_own_is_one_line_too(run, monkeypatch):
    from radsmith.cli import making

    def broken(**_):
        raise KeyError("body\npart")

    monkeypatch.setattr(making.inspect, "callback", broken)
    code, err, _ = run("inspect", ["gray.png"])
    assert code == 1 and err.startswith("radsmith: a fault of radsmith, please report it")
    assert "KeyError" in err and "\n" not in err
    monkeypatch.setenv("RADSMITH_TRACEBACK", "1")
    with pytest.raises(KeyError):
        run("inspect", ["gray.png"])


SAID = [
    (("generate", "knee x-ray", "--from", "list.csv"), "leave out “knee x-ray” or --from list.csv"),
    (("change", "gray.png", "--severity", "mild"), "--severity mild grades a finding, and none"),
    (("change", "gray.png", "--add", "no pneumonia"), "denies a finding"),
    (("outpaint", "gray.png"), "say how far: --left"),
    (
        ("inpaint", "gray.png", "--box", "1,1,2,2", "--polygon", "1,1"),
        "--box 1,1,2,2 and --polygon",
    ),
    (("generate", "knee x-ray", "--model", "dataset"), "dataset is a data set, no model"),
    (("explain", "knee x-ray", "--model", "dataset"), "dataset is a data set, no model"),
    (("key", "--data", "folder", "--add", "a", "--revoke", "b"), "not both"),
    (("judge", "folder", "-o", "out"), "no manifest folder/train.csv"),
    (("judge", "dataset", "-o", "out"), "no shard dataset/train-00000.tar"),
    (("encoder", "-o", "gray.png"), "NAME.onnx, got gray.png"),
    (("generate", "x-ray", "-n", "99999999999"), "99999999999 is not in the range"),
]


@pytest.mark.parametrize(("args", "words"), SAID)
def test_messages_name_what_was_given(run, args, words):
    code, err, _ = run(args[0], args[1:])
    assert code and words in err.splitlines()[-1], err


def test_keys_that_are_not_there_are_said(run):
    code, err, _ = run("key", ["--data", "folder"])
    assert code == 0 and "no keys yet" in err


GROUPS = [
    (("review", "nonsense"), "No such command 'nonsense'"),
    (("release", "gone", "-o", "out", "--title", "a"), "nothing at gone"),
    (("release", "nonsense"), "Missing option '--title'"),
    (("key", "nonsense"), "No such command 'nonsense'"),
    (("key", "release", "--signer", "Ann", "-o", "mine.pub"), "name the key NAME.key"),
    (("verify", "bundle"), "say whom you expect"),
    (("verify", "bundle", "--fingerprint", ""), "'' is not a fingerprint"),
    (("verify", "bundle", "--any-signer", "--model", "gone"), "gone"),
    (("release", "bundle", "pictures", "--title", "a", "--without-review", "--accepted", "x.json"),
     "--without-review and --accepted"),
    (("review", "new", "out", "--reader", "ann"), "--images or --history"),
    (("review", "new", "out", "--reader", "ann", "--images", "folder", "--history", "folder"),
     "--images or --history"),
    (("review", "new", "out", "--reader", "ann", "--images", "pictures", "--sample", "3"),
     "cannot read 3 of 2 images"),
    (("review", "person", "--end"), "say whose account"),
    (("review", "admit", "study", "-o", "out", "--unreviewed"), "--data"),
    (("review", "sampling", "--defects", "1"), "--defects says what came of reading"),
    (("review", "sampling", "--planted", "1", "2"), "--planted says what came of reading"),
    (("review", "sampling", "--most", "99"), "--most 99 ends reading"),
    (("review", "sampling", "--lot", "9", "--read", "10"), "10 read of a lot of 9"),
    (("review", "sampling", "--rate", "0.05", "--good", "0.0499"), "telling 0.0499 from 0.05"),
    (("review", "sampling", "--rate", "0.05", "--good", "0.06"), "got 0.06, 0.05"),
    (("audit", "pictures"), "with --train"),
    (("audit", "pictures", "--train", "pictures", "--canaries", "-o", "out"), "leave SYNTHETIC"),
    (("evaluate", "utility", "dataset", "--synthetic", "pictures", "--kind", "chest"), "“chest”"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "words"), GROUPS)
def test_groups_and_their_commands_say_what_goes_together(run, tmp_path, args, words):
    given = [str(tmp_path / "out") if arg == "out" else arg for arg in args]
    code, err, _ = run(given[0], given[1:])
    assert code and words in err.splitlines()[-1], err


def test_a_report_that_is_something_else_is_left_as_it_is(run, place):
    before = (place / "report.txt").read_bytes()
    to = "dicomweb:http://127.0.0.1:9/dicom"
    code, err, _ = run("release send", ["bundle", to, "--report", "report.txt"])
    assert code and "report.txt is no report of a delivery" in err
    assert (place / "report.txt").read_bytes() == before
