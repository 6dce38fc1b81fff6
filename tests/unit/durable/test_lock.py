"""One writer at a time, between processes and within one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vqcast.durable.lock import locked
from vqcast.errors import Busy, InputError

HOLDER = """
import sys, time
from pathlib import Path
from vqcast.durable.lock import locked
with locked(Path(sys.argv[1]), what="building"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_holder_is_refused_and_the_lock_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "out.jsonl"
    with (
        locked(path, what="building"),
        pytest.raises(Busy, match=r"another process is building") as refused,
        locked(path, what="building"),
    ):
        pytest.fail("two hold one lock")
    assert refused.value.exit_status == 1
    assert refused.value.hint
    with locked(path, what="building"):
        pass


def test_two_names_in_one_folder_have_two_locks(tmp_path: Path) -> None:
    with locked(tmp_path / "a", what="building"), locked(tmp_path / "b", what="building"):
        pass


def test_lock_of_a_killed_process_goes_with_it(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    path = tmp_path / "out.jsonl"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, env=python_environment
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Busy), locked(path, what="building"):
            pytest.fail("another process holds it")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with locked(path, what="building", timeout_s=5):
        pass


def test_lock_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="can't write"), locked(tmp_path / "file" / "x", what="it"):
        pytest.fail("held")


def test_lock_of_too_long_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't write"), locked(tmp_path / ("x" * 300), what="it"):
        pytest.fail("held")


def test_an_error_inside_is_not_taken_for_one_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), locked(tmp_path / "out", what="building"):
        raise PermissionError(13, "somewhere else")
    with locked(tmp_path / "out", what="building"):
        pass
