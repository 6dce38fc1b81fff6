"""The one subprocess: its words, its deadline, its cancellation, its death with its parent."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vqcast.errors import ToolFailure, ToolUnavailable
from vqcast.media.run import Cancelled, run
from vqcast.media.tool import Tool

ENDLESS = ("-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2", "-f", "null", "-")
GRANDCHILD = "sleep 60 & echo $! > child; exec sleep 60"


def _pid(path: Path) -> int:
    until = time.monotonic() + 10
    while not path.is_file() or not path.read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.01)
    return int(path.read_text())


def test_gives_status_both_streams_and_wall_time(tmp_path: Path) -> None:
    finished = run(
        ["sh", "-c", "pwd; echo 'é' >&2; printf '\\377' >&2; sleep 0.2; exit 3"],
        deadline_s=10,
        cwd=tmp_path,
    )
    assert finished.returncode == 3
    assert finished.stdout == f"{tmp_path}\n"
    assert finished.stderr == "é\n\ufffd"
    assert 0.2 <= finished.wall_s < 10


def test_child_has_no_standard_input_and_a_group_of_its_own() -> None:
    asking = "import os, sys; print(sys.stdin.read(), os.getpgrp())"
    finished = run([sys.executable, "-S", "-c", asking], deadline_s=10)
    assert int(finished.stdout) != os.getpgrp()
    with pytest.raises(ProcessLookupError):
        os.killpg(int(finished.stdout), 0)


def test_much_output_on_both_streams_does_not_block() -> None:
    script = "import sys; sys.stdout.write('o' * 10**6); sys.stderr.write('e' * 10**6)"
    finished = run([sys.executable, "-c", script], deadline_s=30)
    assert (len(finished.stdout), len(finished.stderr)) == (10**6, 10**6)


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    run(["echo", "$(touch x)", ";", "touch", "y"], deadline_s=10, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_tool_that_is_not_there_or_no_program_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a program")
    for path in (tmp_path / "absent", tmp_path / "text", tmp_path):
        with pytest.raises(ToolUnavailable, match="can't start"):
            run([str(path)], deadline_s=10)


def test_deadline_kills_the_whole_group(tmp_path: Path, ends: Callable[[int], bool]) -> None:
    start = time.monotonic()
    with pytest.raises(ToolFailure, match="deadline of 1 s"):
        run(["sh", "-c", GRANDCHILD], deadline_s=1, cwd=tmp_path)
    assert time.monotonic() - start < 10
    assert ends(_pid(tmp_path / "child"))


def test_deadline_kills_a_real_ffmpeg(tool: Tool) -> None:
    with pytest.raises(ToolFailure, match="ffmpeg"):
        run([str(tool.path), *ENDLESS], deadline_s=0.5)


def test_cancel_kills_the_whole_group(tmp_path: Path, ends: Callable[[int], bool]) -> None:
    cancel = threading.Event()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            run(["sh", "-c", GRANDCHILD], deadline_s=60, cwd=tmp_path, cancel=cancel)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    pid = _pid(tmp_path / "child")
    cancel.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [Cancelled]
    assert ends(pid)


def test_ffmpeg_dies_with_a_killed_parent(
    tool: Tool,
    python_environment: dict[str, str],
    children: Callable[[int], list[int]],
    ends: Callable[[int], bool],
) -> None:
    script = (
        "import sys; from vqcast.media.run import run; "
        "print('up', flush=True); run(sys.argv[1:], deadline_s=60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tool.path), *ENDLESS],
        stdout=subprocess.PIPE,
        env=python_environment,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    until = time.monotonic() + 20
    while len(found := children(parent.pid)) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert len(found) == 2, "ffmpeg, and the leader of its group"
    assert all(ends(pid) for pid in found)


MANY = """
import sys, threading
from vqcast.media.run import run
print("up", flush=True)
work = lambda: [run(["sleep", duration], deadline_s=60) for duration in ("0.001", sys.argv[1])]
for thread in [threading.Thread(target=work) for _ in range(3)]:
    thread.start()
"""


def _running(word: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_a_parent_killed_at_any_moment_leaves_no_child(
    python_environment: dict[str, str], ends: Callable[[int], bool]
) -> None:
    rng = random.Random(7)
    for number in range(12):
        word = f"98765.{number}"
        parent = subprocess.Popen(
            [sys.executable, "-c", MANY, word], stdout=subprocess.PIPE, env=python_environment
        )
        assert parent.stdout is not None
        parent.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.02))
        parent.kill()
        parent.communicate()
        time.sleep(0.2)
        assert all(ends(pid) for pid in _running(word) if pid != parent.pid)


def test_a_failed_start_and_a_raised_error_leave_no_child(children: Callable[..., Any]) -> None:
    def stop() -> None:
        raise RuntimeError

    before = children(os.getpid())
    with pytest.raises(ToolUnavailable):
        run(["/absent/ffmpeg"], deadline_s=10)
    with pytest.raises(RuntimeError):
        run(["sleep", "60"], deadline_s=10, on_poll=stop)
    assert children(os.getpid()) == before
