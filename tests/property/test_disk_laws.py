"""What is written is what stands there afterwards, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from attacks.count import scratch
from attacks.disk import FAULTS, FaultyDisk, Killed, using
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcast.durable.files import remove, sha256_bytes, write_atomic
from vqcast.durable.folder import replace_folder
from vqcast.errors import VqcastError

NAME = st.sampled_from(["a", "b", "c.json", "é", "-x", "with space"])
FILES = st.dictionaries(
    st.lists(NAME, min_size=1, max_size=3).map(lambda parts: "/".join(["d", *parts, "f"])),
    st.binary(max_size=300),
    min_size=1,
    max_size=6,
)
FAULT = st.sampled_from(FAULTS)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@settings(max_examples=60)
@given(st.lists(st.tuples(NAME, st.none() | st.binary(max_size=100)), max_size=12))
def test_writes_and_removals_are_those_of_a_dictionary(steps) -> None:
    expected: dict[str, bytes] = {}
    with scratch() as folder:
        for name, data in steps:
            path = folder / name
            if data is None:
                remove(path)
                expected.pop(name, None)
            else:
                assert write_atomic(path, data) == sha256_bytes(data)
                expected[name] = data
            assert contents(folder) == expected


@settings(max_examples=60)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_a_replaced_folder_holds_exactly_the_new_files(states) -> None:
    with scratch() as folder:
        target = folder / "registry"
        for files in states:
            replace_folder(target, files)
            assert contents(target) == files
            assert [path.name for path in folder.iterdir()] == ["registry"]


@settings(max_examples=60)
@given(FILES, FILES, st.integers(0, 40), FAULT, st.integers(0, 40), FAULT)
def test_two_faults_in_a_row_leave_one_of_the_states(old, new, at, fault, later, other) -> None:
    """A writer fails or dies, the next one too: what stands there was asked for, whole."""
    with scratch() as folder:
        target = folder / "registry"
        replace_folder(target, old)
        for number, what in ((at, fault), (later, other)):
            with using(FaultyDisk(number, what)), suppress(VqcastError, Killed):
                replace_folder(target, new)
            assert contents(target) in (old, new)
        replace_folder(target, old)
        assert contents(target) == old
        assert [path.name for path in folder.iterdir()] == ["registry"]


@settings(max_examples=100)
@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 12), FAULT)
def test_one_fault_in_a_write_leaves_the_old_or_the_new_bytes(old, new, at, fault) -> None:
    with scratch() as folder:
        path = folder / "file"
        write_atomic(path, old)
        said_done = True
        with using(FaultyDisk(at, fault)):
            try:
                write_atomic(path, new)
            except (VqcastError, Killed):
                said_done = False
        assert path.read_bytes() == new if said_done else path.read_bytes() in (old, new)
        if not fault.lasting and fault.code:
            assert [each.name for each in folder.iterdir()] == ["file"]
