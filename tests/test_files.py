"""Atomic writing: the old file or the new one, never half of one."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cape.errors import UsageError
from cape.files import check_writable, write_atomically, write_folder_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "file.txt"
    assert write_atomically(target, "é") == target
    write_atomically(target, b"\x00\x01")
    assert target.read_bytes() == b"\x00\x01"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_crash_in_the_middle_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.txt"
    write_atomically(target, "old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UsageError, match="No space left"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match="a file that can be written"):
        write_atomically(tmp_path / "taken" / "x.txt", "")


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    real, link, dangling = tmp_path / "far" / "real.txt", tmp_path / "link.txt", tmp_path / "dangling.txt"
    real.write_text("old")
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "far" / "new.txt")
    assert write_atomically(link, "new") == link
    write_atomically(dangling, "made")
    assert link.is_symlink() and dangling.is_symlink()
    assert real.read_text() == "new"
    assert (tmp_path / "far" / "new.txt").read_text() == "made"


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_the_old_files_permissions_stay(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    target.chmod(mode)
    write_atomically(target, "new")
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "file.txt", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a pipe", "circle", "below a file", "nul", "long"])
@pytest.mark.parametrize("write", [check_writable, lambda path: write_atomically(path, "new")])
def test_what_is_no_file_is_refused_and_left_alone(tmp_path: Path, kind: str, write: Callable[[Path], object]) -> None:
    target = tmp_path / "target"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    elif kind == "link to a pipe":
        os.mkfifo(tmp_path / "pipe")
        target.symlink_to(tmp_path / "pipe")
    elif kind == "circle":
        target.symlink_to(target)
    elif kind == "below a file":
        target.touch()
        target = target / "x.txt"
    else:
        target = tmp_path / {"nul": "a\0b", "long": "x" * 300}[kind]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match="a file that can be written"):
        write(target)
    assert sorted(tmp_path.iterdir()) == before


def test_check_writable_leaves_the_target_alone(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "file.txt"
    check_writable(target)
    assert list(target.parent.iterdir()) == []
    target.write_text("old")
    check_writable(target)
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_name_of_any_legal_length(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("x" * 255), "whole")
    assert (tmp_path / ("x" * 255)).read_text() == "whole"


def test_a_kill_leaves_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file.txt", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_written_and_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    assert write_folder_atomically(target, {"a/b.txt": "é", "c": b"\x00"}) == target
    assert (target / "a" / "b.txt").read_text() == "é"
    with pytest.raises(UsageError, match="not empty"):
        write_folder_atomically(target, {"d": ""})
    write_folder_atomically(target, {"d": ""}, replace=True)
    assert [path.name for path in target.iterdir()] == ["d"]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


def test_an_empty_folder_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o700)
    write_folder_atomically(tmp_path / "empty", {"a": "x"})
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o700
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="a file"):
        write_folder_atomically(tmp_path / "file", {"a": "x"}, replace=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_folder_atomically(tmp_path / "link", {"a": "x"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "x"
