"""Compressed frames decoded in a process of its own, so that a broken one costs its answer alone.

GDCM, CharLS and OpenJPEG end or hang the whole process at some broken frames: with one to seven
bytes changed, GDCM at one in twenty to two hundred.  The process is started with the first such
frame, ends with this one and is started again where it broke down.

Messages, both ways: the lengths of the two parts as little-endian 32-bit numbers, a head in JSON,
bytes.  Asked: what the frame's head says, and the frame.  Answered: shape and type of the pixels,
and the pixels; or the reason why there are none.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from radsmith.errors import reason_of
from radsmith.images.dicom.frames import decoded

LONGEST_S = 60.0
"""For one frame, before its decoder is ended."""
MOST_MEMORY = 4 * 1024**3
"""Of the process, in bytes, where the system can be told."""
_LENGTHS = struct.Struct("<II")


@dataclass
class _Decoder:
    """The process and who may talk to it."""

    process: subprocess.Popen[bytes] | None = None
    owner: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, head: dict[str, Any], frame: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer; raises ValueError where the decoder broke down or took too long."""
        with self.turn:
            process = self._running()
            overdue = threading.Event()
            late = threading.Timer(LONGEST_S, _end, (process, overdue))
            late.start()
            try:
                assert process.stdin is not None and process.stdout is not None
                _send(process.stdin, head, frame)
                return _receive(process.stdout)
            except (OSError, EOFError) as error:
                self._stopped()
                told = f"took more than {LONGEST_S:.0f} s" if overdue.is_set() else "broke down"
                raise ValueError(f"the decoder {told} at this frame") from error
            except BaseException:  # half a message may be under way
                self._stopped()
                raise
            finally:
                late.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.owner != os.getpid():
            self.process = None  # the other process's
        if self.process is not None and self.process.poll() is not None:
            self._stopped()
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self.owner = os.getpid()
        return self.process

    def close(self) -> None:
        """End the process, where it is this one's."""
        if self.process is not None and self.owner == os.getpid():
            self._stopped()

    def _stopped(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was not sent any more
                stream.close()


def _end(process: subprocess.Popen[bytes], overdue: threading.Event) -> None:
    overdue.set()
    process.kill()


_DECODER = _Decoder()
atexit.register(_DECODER.close)


def decoded_apart(head: dict[str, Any], frame: bytes) -> NDArray[np.generic]:
    """As `frames.decoded`, in the other process.  Raises ValueError with its reason."""
    told, values = _DECODER.ask(head, frame)
    if "reason" in told:
        raise ValueError(told["reason"])
    return np.frombuffer(values, np.dtype(told["type"])).reshape(told["shape"])


def _send(stream: BinaryIO | Any, head: dict[str, Any], data: bytes) -> None:
    text = json.dumps(head).encode()
    stream.write(_LENGTHS.pack(len(text), len(data)) + text)
    stream.write(data)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> tuple[dict[str, Any], bytes]:
    """Raises EOFError where the other side is gone."""
    lengths = [_exactly(stream, n) for n in _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))]
    return json.loads(lengths[0]), lengths[1]


def _exactly(stream: BinaryIO | Any, count: int) -> bytes:
    data: bytes = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Decode what is asked until nobody asks any more."""
    while True:
        try:
            head, frame = _receive(asked)
        except EOFError:
            return
        try:
            pixels = np.ascontiguousarray(decoded(head, frame))
            told = {"shape": pixels.shape, "type": pixels.dtype.str}
            _send(answers, told, pixels.tobytes())
        except Exception as error:  # pydicom and its decoders raise what they like
            _send(answers, {"reason": _told(error)}, b"")


def _told(error: Exception) -> str:
    """pydicom lists what each decoder said below a line of its own: the first of them."""
    lines = str(error).splitlines()
    below = [line for line in lines[1:] if line.strip()]
    return reason_of(ValueError(below[0])) if below else reason_of(error)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    _limit_memory()
    serve(sys.stdin.buffer, sys.stdout.buffer)
