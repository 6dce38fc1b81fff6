"""Damage to every artefact of a registry: no flipped bit and no cut is loaded.

One attempt changes one file, asks ``vqcast.load``, and puts the file back.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnxruntime
from registry_kit import reseal

import vqcast
from attacks.count import Count, drawn, scratch
from attacks.editions import editions, old_registry
from vqcast.errors import VqcastError
from vqcast.registry import law
from vqcast.serve.folder import packaged_registry

PINNED = (".onnx", ".parquet")
"""Files whose digests stand in a row or a report, so that new checksums do not help a forger."""
OTHER_SEEDS = re.compile(r"_seed[1-9]\d*\.")
VERIFY_EVERY = 40


@contextmanager
def no_sessions() -> Iterator[list[bytes]]:
    """Sessions that ONNX Runtime is asked for meanwhile; none is made."""
    asked: list[bytes] = []

    def refuse(data: bytes, *_: object, **__: object) -> None:
        asked.append(data)
        raise RuntimeError("no session here")

    before, onnxruntime.InferenceSession = onnxruntime.InferenceSession, refuse
    try:
        yield asked
    finally:
        onnxruntime.InferenceSession = before


def _judge(count: Count, registry: Path, what: str, *, model: str | None = None) -> None:
    """One attempt: refused in one sentence before any session exists."""
    with no_sessions() as asked:
        try:
            vqcast.load(*([model] if model else []), registry=registry)
            count.fail(f"{what}: loaded")
            return
        except VqcastError as error:
            short = "\n" not in error.message
        except Exception as error:
            count.fail(f"{what}: {type(error).__name__}: {error}")
            return
    if asked or not short:
        count.fail(f"{what}: refused with {len(asked)} sessions asked for, in one line: {short}")
    elif count.attempts % VERIFY_EVERY == 0 and not _problems(registry):
        count.fail(f"{what}: verify finds nothing")
    else:
        count.note("refused")


def _problems(registry: Path) -> list[str]:
    try:
        return law.verify(registry)
    except VqcastError as error:
        return [error.message]


def flip(data: bytes, bit: int) -> bytes:
    """``data`` with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def flips(n: int, rng: random.Random) -> Count:
    """Single bits of every file, an equal number in each, at random places."""
    return _flips(n, rng, lambda to: old_registry(to))


def flips_of_the_shipped(n: int, rng: random.Random) -> Count:
    """The same in the registry that ships, one graph and calibrations included."""
    return _flips(n, rng, lambda to: Path(shutil.copytree(packaged_registry(), to)))


def _flips(n: int, rng: random.Random, made: Callable[[Path], Path]) -> Count:
    count = Count()
    with scratch() as folder:
        registry = made(folder / "registry")
        vqcast.load(registry=registry)
        paths = sorted(path for path in registry.rglob("*") if path.is_file())
        whole = {path: path.read_bytes() for path in paths}
        for number in range(n):
            path = paths[number % len(paths)]
            bit = rng.randrange(len(whole[path]) * 8)
            path.write_bytes(flip(whole[path], bit))
            _judge(count, registry, f"bit {bit} of {path.name}")
            path.write_bytes(whole[path])
        vqcast.load(registry=registry)
    return count


def truncations(n: int, rng: random.Random) -> Count:
    """A file of each kind cut at every byte, or ``n`` of these cuts: one seed stands for all."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        paths = sorted(path for path in registry.rglob("*") if path.is_file())
        paths = [path for path in paths if not OTHER_SEEDS.search(path.name)]
        whole = {path: path.read_bytes() for path in paths}
        cuts = [(path, length) for path in paths for length in range(len(whole[path]))]
        for path, length in drawn(cuts, min(n, len(cuts)), rng):
            os.truncate(path, length)
            _judge(count, registry, f"{path.name} cut at {length}")
            path.write_bytes(whole[path])
        vqcast.load(registry=registry)
    return count


def forged_flips(n: int, rng: random.Random) -> Count:
    """Bits of graphs and evidence, with ``checksums.json`` made to agree: the pins still refuse."""
    count = Count()
    with scratch() as folder:
        registry = old_registry(folder / "registry")
        paths = sorted(path for path in registry.rglob("*") if path.suffix in PINNED)
        paths += sorted(registry.glob("evidence/*/*.json"))
        whole = {path: path.read_bytes() for path in paths}
        for number in range(n):
            path = paths[number % len(paths)]
            bit = rng.randrange(len(whole[path]) * 8)
            path.write_bytes(flip(whole[path], bit))
            reseal(registry)
            if _problems(registry):
                count.note("refused")
            else:
                count.fail(f"bit {bit} of {path.name}, resealed: verify finds nothing")
            path.write_bytes(whole[path])
        reseal(registry)
        vqcast.load(registry=registry)
    return count


def strangers(n: int, rng: random.Random) -> Count:
    """Files added, removed, exchanged, made into links, folders and pipes."""
    count = Count()
    changes = (_added, _removed, _exchanged, _linked_out, _made_folder, _made_pipe, _renamed)
    with scratch() as folder:
        for number in range(n):
            registry = old_registry(folder / "registry")
            change = changes[number % len(changes)]
            path = rng.choice(sorted(path for path in registry.rglob("*") if path.is_file()))
            change(path, folder)
            _judge(count, registry, f"{change.__name__} {path.name}")
            shutil.rmtree(registry)
    return count


def _added(path: Path, _: Path) -> None:
    (path.parent / f"{path.name}.data").write_bytes(b"weights")


def _removed(path: Path, _: Path) -> None:
    path.unlink()


def _exchanged(path: Path, _: Path) -> None:
    old, new = (edition.files for edition in editions())
    other = next(n for n in old if n.endswith(path.name))
    path.write_bytes(new[other] if new[other] != old[other] else b"{}")


def _linked_out(path: Path, folder: Path) -> None:
    outside = folder / "outside"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def _made_folder(path: Path, _: Path) -> None:
    path.unlink()
    path.mkdir()


def _made_pipe(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _renamed(path: Path, _: Path) -> None:
    path.rename(path.parent / f"{path.name}~")
