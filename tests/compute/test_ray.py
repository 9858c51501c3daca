"""The same functions on Ray. Needs the extra `ray`, which the development install leaves out."""

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from radsmith.compute.pace import Pace
from radsmith.compute.tasks import in_order, over_tasks
from radsmith.errors import InvalidInput, Unavailable

WORKERS = 2
START = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"


@pytest.fixture(scope="module", autouse=True)
def ray():
    """One cluster for this module; `local` starts it at the first task."""
    if importlib.util.find_spec("ray") is None:  # it reads the environment when it is imported
        pytest.skip("the extra `ray` is not installed")
    from radsmith.compute.ray import close

    yield
    close()


def squared(folder, number):
    """Dies at 13 as often as told, once a process; says so at 99."""
    left = sorted(Path(folder).glob("die-*"))
    if number == 13 and left:
        left[0].unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 99:
        raise InvalidInput("99 is too much")
    return number, number**2


def over(folder, numbers, pace=None):
    function = partial(squared, folder)
    return over_tasks(function, numbers, WORKERS, ray="local", pace=pace)


@pytest.mark.filterwarnings("ignore")
def test_every_task_gives_its_result_once(tmp_path):
    assert dict(over(tmp_path, range(50))) == {n: n**2 for n in range(50)}
    assert list(over(tmp_path, [])) == []
    assert list(in_order(over(tmp_path, range(5)))) == [0, 1, 4, 9, 16]


@pytest.mark.filterwarnings("ignore")
def test_a_task_whose_worker_was_killed_begins_again(tmp_path):
    for number in range(3):
        (tmp_path / f"die-{number}").touch()
    pace = Pace()
    found = sorted(over(tmp_path, range(10, 20), pace))
    assert found == [(n, n**2) for n in range(10, 20)]
    assert pace.again >= 3 and not list(tmp_path.glob("die-*"))


@pytest.mark.filterwarnings("ignore")
def test_a_task_that_kills_every_worker_is_given_up(tmp_path):
    for number in range(20):
        (tmp_path / f"die-{number:02d}").touch()
    with pytest.raises(Unavailable, match="workers died at one task"):
        list(over(tmp_path, [13]))
    assert dict(over(tmp_path, [1])) == {1: 1}


@pytest.mark.filterwarnings("ignore")
def test_an_error_of_ours_comes_back_as_it_is(tmp_path):
    with pytest.raises(InvalidInput, match="99 is too much"):
        list(over(tmp_path, [1, 99, 2]))


@pytest.mark.parametrize("address, words", [("ray://x:1", "client"), ("x:1", "needs its token")])
def test_an_address_needs_a_token_and_no_client(tmp_path, monkeypatch, address, words):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InvalidInput, match=words):
        list(over_tasks(squared, [1], WORKERS, ray=address))


def command(folder, *options):
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "OMP_NUM_THREADS": "1"}
    for name in [name for name in environment if name.startswith("RAY_")]:
        del environment[name]
    arguments = ["generate", "knee x-ray, adult", "-n", "24", "--shards", "8", "--steps", "1"]
    arguments += ["-o", folder, *options]
    with Path(f"{folder}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", START, *map(str, arguments)],
            env=environment,
            stdout=log,
            stderr=log,
        )


def files_of(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.filterwarnings("ignore")
def test_a_killed_driver_and_a_killed_worker_change_nothing(tmp_path):
    one = command(tmp_path / "one")
    assert one.wait() == 0, (tmp_path / "one.log").read_text()
    ray = ("--ray", "local", "--workers", 2)
    first = command(tmp_path / "two", *ray)
    while not list((tmp_path / "two" / "parts").glob("*.json")) and first.poll() is None:
        time.sleep(0.05)
    first.kill()
    first.wait()
    second = command(tmp_path / "two", *ray)
    assert second.wait() == 0, (tmp_path / "two.log").read_text()
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert json.loads((tmp_path / "two" / "run.json").read_bytes())["images"] == 24
