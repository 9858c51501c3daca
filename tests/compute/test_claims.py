"""A claim is one process' at a time, and a dead one's is taken over."""

import os
import subprocess
import sys
import time

from radsmith.compute.claims import STALE_S, Claim

TAKE = """
import os, signal, sys
from pathlib import Path
from radsmith.compute.claims import Claim
print(Claim(Path(sys.argv[1]), "s").take(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_claim_is_for_one(tmp_path):
    first, second = Claim(tmp_path, "s"), Claim(tmp_path, "s")
    assert first.take() and not second.take() and Claim(tmp_path, "t").take()
    assert str(os.getpid()) in second.holder()
    first.leave()
    assert second.holder() == "" and second.take()


def test_a_killed_process_is_followed_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TAKE, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n" and done.returncode < 0
    assert (tmp_path / "s.claim").exists() and Claim(tmp_path, "s").take()


def test_a_machine_that_gives_no_sign_is_followed_later(tmp_path):
    path = tmp_path / "s.claim"
    path.write_text('{"host": "elsewhere", "pid": 1, "boot": ""}')
    assert not Claim(tmp_path, "s").take()
    old = time.time() - STALE_S - 1
    os.utime(path, (old, old))
    assert Claim(tmp_path, "s").take()


def test_a_sign_of_life_keeps_it(tmp_path):
    claim = Claim(tmp_path, "s")
    assert claim.take()
    old = time.time() - STALE_S - 1
    os.utime(tmp_path / "s.claim", (old, old))
    claim.beat()
    assert not Claim(tmp_path, "s").take()


def test_half_a_claim_is_waited_for(tmp_path):
    (tmp_path / "s.claim").write_text('{"host"')
    assert not Claim(tmp_path, "s").take() and Claim(tmp_path, "s").holder() == ""
