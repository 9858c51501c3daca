"""Some hundred of the inputs that `benchmarks/mutated_inputs.py` runs by the thousand."""

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[1] / "benchmarks" / "mutated_inputs.py"
COUNT, DEEP = 300, 10


@pytest.fixture(scope="module")
def inputs():
    spec = importlib.util.spec_from_file_location("mutated_inputs", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_same_number_is_the_same_input(inputs):
    assert inputs.mutated(7) == inputs.mutated(7)
    different = {inputs.mutated(n)[1] for n in range(40)}
    assert len(different) > 35 and not different & set(inputs.seeds().values())


@pytest.mark.filterwarnings("ignore")
def test_mutated_inputs_end_in_success_or_one_line(inputs, tmp_path, capfd, monkeypatch):
    """Import, edit, upload and mask of all of them; de-identification, which is slow, of some."""
    # as in a command, whatever threads earlier tests have left
    monkeypatch.setattr("radsmith.images.quiet.threading.active_count", lambda: 1)
    ways = inputs.doors(tmp_path, draw=False)
    cleaned = ways.pop("deidentify")
    answers = Counter()
    for number in range(COUNT):
        name, data = inputs.mutated(number)
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        deep = {"deidentify": cleaned} if number % (COUNT // DEEP) == 0 else {}
        for door, text in inputs.through(path, ways | deep).items():
            assert not text.startswith("!"), f"{name}, {door}: {text}"
            answers[door, bool(text)] += 1
        path.unlink()
    assert not capfd.readouterr().err
    for door in ("import", "edit", "upload", "mask"):
        assert answers[door, False] > 5 and answers[door, True] > 20, answers


def test_what_is_no_clear_line_is_noticed(inputs, tmp_path):
    def broken(path):
        raise KeyError("x")

    def leaking(path):
        raise inputs.RadsmithError("<_io.BytesIO object at 0x7f0000000000> cannot be read")

    found = inputs.through(tmp_path / "a", {"one": broken, "two": leaking, "three": lambda p: None})
    assert found["one"].startswith("! Traceback") and found["two"].startswith("! no clear line")
    assert found["three"] == ""
