"""Whoever draws at the same time, and however many cores there are: the same last bit."""

import hashlib
import os
import subprocess
import sys
import threading

import numpy  # noqa: F401 -- brings the library whose threads are counted
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from radsmith.compute.one_thread import one_thread

DRAW = """
import hashlib, numpy as np
from radsmith.engines.engine import Ask, Given
from radsmith.engines.model_files import load_engine
from radsmith.images.provenance import Settings
engine = load_engine()
ask = Ask(concepts=("modality:x-ray", "body_part:chest"), seed=1, settings=Settings(num_steps=1))
image = engine.generate(ask)
hole = np.zeros(image.shape, bool)
hole[60:120, 50:130] = True
filled = engine.fill(Given(pixels=image, mask=hole), ask).pixels
print(hashlib.sha256(image.tobytes() + filled.tobytes()).hexdigest())
"""


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    with threadpool_limits(2):
        yield


def test_the_setting_is_given_back_by_the_last_who_draws(two_threads):
    begun, end, left = threading.Event(), threading.Event(), threading.Event()

    def draw():
        with one_thread():
            begun.set()
            end.wait(60)
        left.set()

    drawing = threading.Thread(target=draw)
    with one_thread():
        drawing.start()
        assert begun.wait(60) and threads() == {1}
    assert threads() == {1}  # the other still draws
    end.set()
    assert left.wait(60) and threads() == {2}
    drawing.join()


def test_it_is_given_back_where_drawing_fails(two_threads):
    with pytest.raises(ZeroDivisionError), one_thread(), one_thread():
        raise ZeroDivisionError
    assert threads() == {2}


def test_pixels_do_not_depend_on_the_cores():
    said = {
        subprocess.run(
            [sys.executable, "-c", DRAW],
            env={**os.environ, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for count in ("1", "2", "3")
    }
    assert len(said) == 1 and len(said.pop().strip()) == len(hashlib.sha256().hexdigest())
