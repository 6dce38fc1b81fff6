"""What a killed process left is removed by the next; what a living one has is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vqcast.durable import scratch


def _dead() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_leftovers_of_the_dead_are_removed_and_no_others(tmp_path: Path) -> None:
    ours = scratch.mine()
    gone = ours.replace(f"-{os.getpid()}-", f"-{_dead()}-")
    init = ours.replace(f"-{os.getpid()}-", "-1-")
    kept = [f"{ours}a", f"{init}a", "vqcast-ffffff-1-a", "vqcast-", f"{gone[:-1]}x", "other"]
    for name in (*kept, f"{gone}folder"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{gone}folder" / "reel.yuv").write_bytes(b"0")
    (tmp_path / f"{gone}file").write_bytes(b"0")
    (tmp_path / f"{gone}link").symlink_to(tmp_path / "other")
    scratch.remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_a_folder_of_one_s_own_goes_with_its_context(tmp_path: Path) -> None:
    with scratch.scratch(tmp_path) as name:
        assert Path(name).name.startswith(scratch.mine())
    assert os.listdir(tmp_path) == []
