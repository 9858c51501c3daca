"""Laws: a file is whole or absent; no failure leaves a temporary; errors say the mend."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from radsmith.errors import InvalidInput, NotFound, RadsmithError, Unavailable
from radsmith.files import prepare_folder, read_bytes, write_atomically


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def call(*_args: object, **_keywords: object) -> NoReturn:
        raise error

    return call


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_written_bytes_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_atomically(path, b"\x00\xffdata")
    assert read_bytes(path) == b"\x00\xffdata"
    assert names(tmp_path) == ["a.png"]


def test_a_file_is_replaced_and_keeps_ordinary_permissions(tmp_path: Path) -> None:
    path, plain = tmp_path / "a.png", tmp_path / "plain"
    plain.write_bytes(b"")
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode == plain.stat().st_mode


def test_the_longest_legal_name_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"x")
    assert names(tmp_path) == ["n" * 255]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_ctrl_c_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("code", "kind", "mend"),
    [
        (errno.ENOSPC, Unavailable, "disk full"),
        (errno.EDQUOT, Unavailable, "disk full"),
        (errno.EACCES, InvalidInput, "choose another folder with -o"),
        (errno.EROFS, InvalidInput, "choose another folder with -o"),
        (errno.EIO, Unavailable, "cannot write to"),
    ],
)
def test_a_disk_error_says_the_mend_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: type[RadsmithError],
    mend: str,
) -> None:
    monkeypatch.setattr(os, "fsync", failing(OSError(code, os.strerror(code))))
    with pytest.raises(kind, match=mend):
        write_atomically(tmp_path / "a.png", b"new")
    assert names(tmp_path) == []


def test_the_bytes_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("fsync")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "a.png", b"x")
    assert steps[:2] == ["fsync", "replace"]


def test_writing_into_no_folder_or_onto_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "absent" / "a", tmp_path / "file" / "a", tmp_path / "folder"):
        with pytest.raises(InvalidInput, match="existing folder"):
            write_atomically(path, b"x")
    assert names(tmp_path) == ["file", "folder"]


def test_prepare_folder_makes_parents_and_leaves_it_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert prepare_folder(folder) == folder
    assert prepare_folder(folder) == folder
    assert names(folder) == []


def test_prepare_folder_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(InvalidInput, match="choose another folder"):
            prepare_folder(path)


def test_prepare_folder_finds_a_read_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_bytes", failing(OSError(errno.EROFS, "Read-only")))
    with pytest.raises(InvalidInput, match="choose another folder"):
        prepare_folder(tmp_path)


def test_reading_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        read_bytes(tmp_path / "absent")
    with pytest.raises(InvalidInput, match="is a folder"):
        read_bytes(tmp_path)
    with pytest.raises(InvalidInput, match="device or pipe"):
        read_bytes(Path(os.devnull))


def test_a_file_too_large_for_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radsmith.files.MAX_BYTES", 3)
    (tmp_path / "big").write_bytes(b"1234")
    with pytest.raises(InvalidInput, match="at most 3"):
        read_bytes(tmp_path / "big")
