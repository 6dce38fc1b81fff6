"""Atomic writes, bounded reads and digests, on a real file system."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from vqcast.durable import disk, files
from vqcast.errors import InputError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert files.sha256_bytes(b"abc") == ABC
    assert files.sha256_file(path) == ABC


def test_sha256_of_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        files.sha256_file(tmp_path / "absent")


def test_write_gives_the_digest_the_bytes_the_mode_and_the_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert files.write_atomic(path, b"abc") == ABC
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    files.write_atomic(path, b"abcd", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["file"]


def test_write_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"keep")
    link.symlink_to(target)
    files.write_atomic(link, b"new")
    assert target.read_bytes() == b"keep"
    assert link.read_bytes() == b"new"


def test_an_open_reader_sees_the_whole_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old" * 1000)
    with path.open("rb") as reader:
        files.write_atomic(path, b"new")
        assert reader.read() == b"old" * 1000


def test_write_below_a_file_is_refused_and_the_file_survives(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.write_bytes(b"a file")
    with pytest.raises(InputError, match="can't write") as refused:
        files.write_atomic(parent / "child", b"x")
    assert refused.value.hint
    assert parent.read_bytes() == b"a file"
    assert os.listdir(tmp_path) == ["parent"]


def test_write_over_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="can't write"):
        files.write_atomic(tmp_path / "folder", b"x")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_old_content_survives_a_fault_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(disk.os, call, fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        files.write_atomic(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_refused_and_leaves_nothing() -> None:
    full = Path("/dev/full")
    before = set(os.listdir("/dev"))
    with pytest.raises(InputError):
        files.write_atomic(full / "child", b"x")
    assert not [name for name in set(os.listdir("/dev")) - before if "vqcast" in name]


def test_read_regular_gives_the_bytes_up_to_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert files.read_regular(path, max_bytes=5) == b"12345"
    with pytest.raises(InputError, match="5 bytes, more than the 4"):
        files.read_regular(path, max_bytes=4)


def test_read_regular_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(InputError, match=r"not a regular file"):
            files.read_regular(path)
    with pytest.raises(InputError, match="No such file"):
        files.read_regular(tmp_path / "absent")
    with pytest.raises(InputError, match="too long"):
        files.read_regular(tmp_path / ("x" * 300))


def test_read_regular_below_an_open_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert files.read_regular(Path("file"), dir_fd=descriptor) == b"here"
    finally:
        os.close(descriptor)


def test_remove_twice_is_no_fault_and_a_folder_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    files.remove(path)
    files.remove(path)
    assert not path.exists()
    with pytest.raises(InputError, match="can't remove"):
        files.remove(tmp_path)


def test_gzip_is_canonical_and_gives_the_bytes_back() -> None:
    packed = files.gzip_canonical(b"row\n" * 1000)
    assert packed == files.gzip_canonical(b"row\n" * 1000)
    assert packed[3] == 0, "no name, no comment in the header"
    assert packed[4:8] == b"\0\0\0\0", "no time in the header"
    assert gzip.decompress(packed) == b"row\n" * 1000
