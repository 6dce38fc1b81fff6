"""A corpus on a Dask cluster of real processes, with sources and cells on a real S3 server.

Workers and the scheduler are killed with SIGKILL in the middle of a build; what
comes out is the local corpus, byte for byte but for ``enc_time_ms``.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import s3fs

COMMAND = (sys.executable, "-m", "vqcast.cli.main")
GRID = (
    *("--encoder", "libx264", "--preset", "ultrafast", "--cq", "20,24,28,32,36,40"),
    *("--no-v1", "--frames", "12"),
)
CELLS = 12
PATIENCE_S = 150.0


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., Path]) -> list[Path]:
    """Two clips of 12 frames, 176x144; one has a name that URLs must quote."""
    folder = tmp_path_factory.mktemp("cluster clips")
    return [
        ffmpeg(
            *("-f", "lavfi", "-i", f"{picture}=s=176x144:r=25", "-frames:v", 12),
            *("-pix_fmt", "yuv420p", "-c:v", "ffv1", folder / f"{name}.mkv"),
        )
        for picture, name in (("testsrc2", "bars 100%"), ("mandelbrot", "zoom"))
    ]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, sources: list[Path], vqcast: Any) -> bytes:
    """The corpus as this machine's own pool makes it."""
    out = tmp_path_factory.mktemp("local") / "c.jsonl"
    vqcast("corpus", "build", *sources, *GRID, "--out", out)
    return out.read_bytes()


def timeless(data: bytes) -> bytes:
    return re.sub(rb'"enc_time_ms":[0-9.]+,', b"", data)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for ``condition``; fail after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.01)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self._scheduler()

    def _start(self, *words: object) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{len(self._processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, words)],
            stdout=log, stderr=log, cwd=self._folder, env=self._environment,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def _scheduler(self) -> subprocess.Popen[bytes]:
        started = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard"),
            *("--no-show", "--no-jupyter"),
        )
        until(lambda: listens(self.port), "a scheduler that listens")
        return started

    def worker(self, *words: object) -> subprocess.Popen[bytes]:
        return self._start(
            *("worker", self.address, "--nthreads", 1, "--no-nanny", "--no-dashboard"),
            *("--local-directory", self._folder / "spill", *words),
        )

    def restart_scheduler(self) -> None:
        self.scheduler = self._scheduler()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(timeout=30)


@pytest.fixture
def cluster(tmp_path: Path, python_environment: dict[str, str]) -> Iterator[Cluster]:
    folder = tmp_path / "dask"
    folder.mkdir()
    with ExitStack() as stack:
        made = Cluster(folder, python_environment)
        stack.callback(made.stop)
        yield made


def building(words: tuple[object, ...], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "corpus", "build", *map(str, words), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr, stderr
    document: dict[str, Any] = json.loads(stdout)
    return document


def test_a_lost_worker_and_a_lost_scheduler_cost_nothing_that_was_finished(
    cluster: Cluster,
    sources: list[Path],
    local: bytes,
    tmp_path: Path,
    python_environment: dict[str, str],
    vqcast: Any,
) -> None:
    out, cells = tmp_path / "c.jsonl", tmp_path / "kept here"
    words = (
        *(*sources, *GRID, "--out", out, "--cells", cells.as_uri()),
        *("--scheduler", cluster.address),
    )
    first, _ = cluster.worker(), cluster.worker()
    build = building(words, python_environment)
    try:
        until(lambda: len(list(cells.glob("*.json"))) >= 2, "two cells")
        first.send_signal(signal.SIGKILL)
        seen = len(list(cells.glob("*.json")))
        until(lambda: len(list(cells.glob("*.json"))) >= seen + 2, "cells after a lost worker")
        cluster.scheduler.send_signal(signal.SIGKILL)
        cluster.scheduler.wait()
        assert build.poll() is None, build.communicate()
        kept = {path.name: path.stat().st_mtime_ns for path in cells.glob("*.json")}
        cluster.restart_scheduler()
        cluster.worker()
        done = ended(build)
    finally:
        build.kill()
    assert (done["measured"], done["reused"], done["failed"]) == (CELLS, 0, [])
    assert timeless(out.read_bytes()) == timeless(local)
    again = json.loads(vqcast("corpus", "build", *words, "--json").stdout)
    assert (again["measured"], again["reused"]) == (0, CELLS)
    after = {path.name: path.stat().st_mtime_ns for path in cells.glob("*.json")}
    assert kept.items() <= after.items(), "a finished cell was measured again"


@pytest.fixture
def s3(
    tmp_path: Path, python_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A server that speaks S3, empty but for one bucket, and the environment that finds it."""
    port = free_port()
    here = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log, stderr=log, env=python_environment,
        )  # fmt: skip
    try:
        until(lambda: listens(port), "an S3 server that listens")
        bucket().mkdir("corpus")
        yield python_environment | here
    finally:
        server.kill()
        server.wait(timeout=30)


def bucket() -> Any:
    return s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)


def test_sources_and_cells_on_s3(
    s3: dict[str, str],
    sources: list[Path],
    local: bytes,
    tmp_path: Path,
    python_environment: dict[str, str],
) -> None:
    store = bucket()
    for path in sources:
        store.put_file(str(path), f"corpus/clips/{path.name}")
    urls = [f"s3://corpus/clips/{path.name}" for path in sources]
    manifest = tmp_path / "m.tsv"
    manifest.write_text("file\tgroup\nzoom.mkv\tfractals\n")
    words = (*urls, *GRID, "--cells", "s3://corpus/cells", "--manifest", manifest)
    folder = tmp_path / "dask"
    folder.mkdir()
    cluster = Cluster(folder, s3)
    try:
        cluster.worker("--resources", "SLOT=1")
        there = (*words, "--scheduler", cluster.address)
        refused = subprocess.run(
            [
                *(*COMMAND, "corpus", "build", *there),
                *("--out", tmp_path / "no.jsonl", "--resource", "SLOT=2"),
            ],
            capture_output=True, text=True, timeout=PATIENCE_S, env=s3,
        )  # fmt: skip
        assert refused.returncode == 2, refused.stderr
        assert f"{cluster.address}: no worker has SLOT=2" in refused.stderr
        out = tmp_path / "c.jsonl"
        first = ended(building((*there, "--resource", "SLOT=1", "--out", out), s3))
    finally:
        cluster.stop()
    assert (first["measured"], first["failed"]) == (CELLS, [])
    without_group = out.read_bytes().replace(b',"group":"fractals"', b"")
    assert timeless(without_group) == timeless(local)
    assert out.read_bytes().count(b'"group":"fractals"') == 12 * CELLS // 2
    assert len(store.ls("corpus/cells")) == CELLS
    assert not (tmp_path / "c.jsonl.cells").exists()
    origin = json.loads((tmp_path / "c.provenance.json").read_bytes())
    assert [source["file"] for source in origin["sources"]] == [path.name for path in sources]
    assert "s3://corpus/clips/zoom.mkv" in origin["command"]
    assert "tcp:" not in origin["command"] and "SLOT" not in origin["command"]

    store.pipe_file(store.ls("corpus/cells")[0], b'{"torn')
    again = ended(building((*words, "--jobs", 1, "--out", tmp_path / "again.jsonl"), s3))
    assert (again["measured"], again["reused"]) == (1, CELLS - 1)
    assert timeless((tmp_path / "again.jsonl").read_bytes()) == timeless(out.read_bytes())
