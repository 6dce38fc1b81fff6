"""URLs, cell stores, fetched sources and what a cell asks of a cluster."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from vqcast.corpus import copies as copies_module
from vqcast.corpus.cluster import DaskCluster, device_of, resources_of
from vqcast.corpus.copies import Copies
from vqcast.corpus.execute import LocalPool, Task
from vqcast.corpus.plan import plan
from vqcast.corpus.remote import is_url, local_path, name_of
from vqcast.corpus.store import ObjectStore, open_store
from vqcast.durable.files import sha256_bytes
from vqcast.errors import InputError, MissingDependency, ToolUnavailable
from vqcast.measured.store import FolderStore
from vqcast.media.source import Source
from vqcast.media.tool import Tool


@pytest.fixture
def memory() -> Any:
    """fsspec's own filesystem in memory, empty."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    return filesystem


def test_what_is_a_url_and_what_a_path() -> None:
    assert is_url("s3://b/k") and is_url("file:///x") and is_url("gs+x://y")
    assert not is_url("a:b.mkv") and not is_url("/x/y") and not is_url("concat:x.mp4")
    assert local_path("a:b.mkv") == Path("a:b.mkv")
    assert local_path("file:///x/100%25%20%23.mkv") == Path("/x/100% #.mkv")
    assert local_path("s3://b/k") is None
    assert name_of("s3://b/deep/100% a.mkv") == "100% a.mkv"
    for text in ("s3://bucket", "s3://b/..", "s3://b/x/."):
        with pytest.raises(InputError, match="names no file"):
            name_of(text)
    for text in ("file://elsewhere/x", "file:///x?y", "file:///x#y"):
        with pytest.raises(InputError, match="no local file"):
            local_path(text)


@pytest.mark.parametrize("kind", ["folder", "file URL", "objects"])
def test_a_store_gives_back_what_it_was_given(kind: str, tmp_path: Path, memory: Any) -> None:
    folder = tmp_path / "100% kept"
    where = {"folder": str(folder), "file URL": folder.as_uri(), "objects": "memory://b/kept"}[kind]
    store = open_store(where)
    names = [f"{number}.json" for number in range(600)]
    assert list(store.read(names)) == [None] * 600
    assert list(store.read([])) == [] and store.names() == set()
    store.write("7.json", b"seven")
    store.write("7.json", b"seven!")
    store.write("599.json", b"")
    again = open_store(store.where)
    assert again.names() == {"7.json", "599.json"}
    found = {
        name: data for name, data in zip(names, again.read(names), strict=True) if data is not None
    }
    assert found == {"7.json": b"seven!", "599.json": b""}
    assert isinstance(store, ObjectStore if kind == "objects" else FolderStore)


def test_a_url_that_nothing_can_read_is_refused_in_our_words() -> None:
    with pytest.raises(InputError, match=r"nosuch://x: can't be used"):
        open_store("nosuch://x")
    with pytest.raises(InputError, match="chained"):
        open_store("simplecache::memory://x")


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name in ("fsspec", "dask"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency) as refused:
        open_store("s3://b/k")
    assert refused.value.hint == "pip install 'vqcast[cluster]'"
    with pytest.raises(MissingDependency, match="--scheduler needs distributed"):
        list(DaskCluster("tcp://127.0.0.1:1").run([], None, None))  # type: ignore[arg-type]


@pytest.mark.usefixtures("private_tmp")
def test_a_source_is_fetched_once_checked_and_kept_only_while_it_is_near(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_module, "_KEPT", 2)
    for number in range(4):
        memory.pipe_file(f"/b/{number}/clip.mkv", str(number).encode())
    copies = Copies()
    with copies.use("memory://b/0/clip.mkv", sha256_bytes(b"0")) as path:
        assert (path.name, path.read_bytes()) == ("clip.mkv", b"0")
        memory.pipe_file("/b/0/clip.mkv", b"changed behind our back")
        with copies.use("memory://b/0/clip.mkv") as same:
            assert same == path
        others = []
        for number in (1, 2, 3):
            with copies.use(f"memory://b/{number}/clip.mkv") as other:
                assert other.read_bytes() == str(number).encode()
                others.append(other)
        assert path.exists(), "a copy in use stays"
        assert [other.exists() for other in others] == [False, True, True]
    with (
        pytest.raises(InputError, match=r"memory://b/1/clip\.mkv: differs"),
        copies.use("memory://b/1/clip.mkv", sha256_bytes(b"another")),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"memory://b/absent\.mkv: no such file"),
        copies.use("memory://b/absent.mkv"),
    ):
        pass


class _Counted(MemoryFileSystem):
    """Memory over a slow network: each fetch takes a while, and is counted."""

    protocol = "counted"
    cachable = False
    fetched: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.removeprefix("counted:/"))
        return stripped

    def get_file(self, path: str, local: Any, **more: Any) -> None:
        self.fetched.append(path)
        time.sleep(0.1)
        super().get_file(path, local, **more)


def test_users_at_once_share_one_fetch_which_fsspec_s_own_cache_does_not_give(
    memory: Any, tmp_path: Path
) -> None:
    """Why `Copies` is not ``filecache``, which also gives two sources of one name one file.

    Where this fails, look at it again.
    """
    fsspec.register_implementation("counted", _Counted, clobber=True)
    for number in range(2):
        memory.pipe_file(f"/b/{number}/clip.mkv", bytes([number]))

    def at_once(use: Callable[[], bytes]) -> tuple[int, set[bytes]]:
        """How often three users at once fetched, and what they read."""
        _Counted.fetched.clear()
        with ThreadPoolExecutor(3) as pool:
            read = {future.result() for future in [pool.submit(use) for _ in range(3)]}
        return len(_Counted.fetched), read

    copies = Copies()

    def ours() -> bytes:
        with copies.use("counted://b/0/clip.mkv") as path:
            return path.read_bytes()

    cached = fsspec.filesystem(
        "filecache", fs=_Counted(), cache_storage=str(tmp_path), same_names=True
    )
    theirs = partial(cached.cat_file, "/b/0/clip.mkv")
    assert at_once(ours) == (1, {b"\0"})
    assert at_once(theirs)[0] > 1  # and a reader may meet a file that another is writing
    with cached.open("/b/0/clip.mkv") as one, cached.open("/b/1/clip.mkv") as two:
        assert one.name == two.name, "the second overwrote the first"


def test_a_local_url_is_used_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a b.mkv"
    path.write_bytes(b"x")
    with Copies().use(path.as_uri(), sha256_bytes(b"x")) as used:
        assert used == path
    assert path.exists()


def test_a_source_that_changed_since_it_was_planned_fails_its_cell(
    pattern_source: Source, tool: Tool, tmp_path: Path, memory: Any
) -> None:
    memory.pipe_file("/b/pattern.mkv", b"another film")
    cells = plan([pattern_source], {"libx264": [30]}, {})
    task = Task(cells[0], "x.json", "memory://b/pattern.mkv")
    store = open_store(str(tmp_path))
    ((_, reason),) = LocalPool(1).run([task], tool, store)
    assert reason is not None and "differs from the source that was planned" in reason
    assert list(store.read(["x.json"])) == [None]


def test_a_hardware_encoder_asks_for_its_device(pattern_source: Source) -> None:
    (software,) = plan([pattern_source], {"libx264": [30]}, {})
    nvenc = replace(software, encoder="h264_nvenc")
    assert device_of("libx264") is None
    assert device_of("hevc_qsv") == "QSV" and device_of("av1_vaapi") == "VAAPI"
    assert resources_of(software, {"NVENC": 2}) == {}
    assert resources_of(nvenc, {}) == {"NVENC": 1.0}
    assert resources_of(nvenc, {"NVENC": 0.5, "QSV": 3}) == {"NVENC": 0.5}
    assert resources_of(software, {"DISK": 2.0}) == {"DISK": 2.0}
    assert resources_of(nvenc, {"DISK": 2.0}) == {"DISK": 2.0, "NVENC": 1.0}


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nosuch://x"])
def test_a_scheduler_that_does_not_answer_is_refused(
    address: str,
    pattern_source: Source,
    tool: Tool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vqcast.corpus.cluster._FIRST_ANSWER_S", 0.3)
    cells = plan([pattern_source], {"libx264": [30]}, {})
    with pytest.raises(ToolUnavailable, match=f"{address}: no Dask scheduler answers"):
        list(DaskCluster(address).run([Task(cells[0], "x")], tool, open_store(str(tmp_path))))
