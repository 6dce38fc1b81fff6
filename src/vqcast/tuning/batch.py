"""Several films, one after the other: what is finished is skipped, and a failure stops no other.

An output has its name only once it was checked, so an output that is there is finished, whenever
the batch was killed. A film is swapped for its result in steps that a next run can go on from: the
result is remembered as one, the source is moved away or replaced.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vqcast.corpus.cluster import DaskCluster
from vqcast.documents.batch import BatchResult, FilmResult
from vqcast.documents.shots import Objective, ShotsResult
from vqcast.documents.tune import EncodeResult, Measure
from vqcast.durable import disk
from vqcast.durable.files import TEMPORARY_PREFIX, adopt, make_folders, sha256_file, write_atomic
from vqcast.durable.scratch import remove_leftovers
from vqcast.errors import InputError, LargerThanSource, VqcastError
from vqcast.media.source import Intake
from vqcast.media.streams import StreamChoice
from vqcast.metric import METRICS
from vqcast.serve.trust import Trust
from vqcast.tuning.encode import Progress, encode
from vqcast.tuning.films import Film, Names, outputs
from vqcast.tuning.filtering import filtered
from vqcast.tuning.machine import Machine
from vqcast.tuning.per_shot import encode_per_shot
from vqcast.tuning.request import TuneRequest
from vqcast.tuning.session import Event, default_cache

EXIT_STATUS = {"failed": 1, "missed": 3, "kept": 3, "larger": 4}
"""Of a batch, from the gravest; 0 where every film was encoded, or had been."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each film: picklable, so that another machine can be asked."""

    request: TuneRequest
    names: Names = field(default_factory=Names)
    streams: StreamChoice = field(default_factory=StreamChoice)
    intake: Intake = field(default_factory=Intake)
    machine: Machine = field(default_factory=Machine)
    overwrite: bool = False
    allow_larger: bool = False
    registry: Path | None = None
    trust: Trust | None = None
    cache: Path | None = None
    keep: bool = True
    measure: Measure | None = None
    parts: bool = True
    per_shot: Objective | None = None
    """What each shot is encoded for; None: all of a film is encoded at one CRF."""

    def __post_init__(self) -> None:
        filtered(self.intake, self.request)  # refuses filters that contradict it
        if self.per_shot is not None and not self.parts:
            raise InputError("--per-shot encodes in parts", hint="leave --no-parts out")
        if self.per_shot is not None and self.measure is not None:
            raise InputError("--per-shot measures each shot", hint="leave --measure out")

    @property
    def results(self) -> Path:
        """The folder that remembers which files are results, by their digests."""
        return (self.cache or default_cache()) / "results"


def plan(films: Sequence[Film], asked: Asked) -> list[tuple[Film, Path]]:
    """Each film with its output, in folders that are there."""
    request = asked.request
    paired = outputs(films, asked.names, request.encoder, request.target)
    for folder in {output.absolute().parent for _, output in paired}:
        try:
            make_folders(folder)
        except OSError as error:
            raise InputError(f"can't be made: {error.strerror}", path=folder) from error
        remove_leftovers(folder, TEMPORARY_PREFIX)
    return paired


def run(
    films: Sequence[Film],
    asked: Asked,
    *,
    scheduler: str | None = None,
    on_event: Callable[[Film, Event], None] | None = None,
    on_film: Callable[[FilmResult], None] | None = None,
    cancel: threading.Event | None = None,
) -> tuple[list[FilmResult], BatchResult]:
    """Encode every film, here or one a task on the workers of ``scheduler``.

    Workers read and write the same paths. ``on_film`` is told each film as it ends. Raises
    InputError for outputs that can't be, before any work.
    """
    start = time.monotonic()
    paired = plan(films, asked)
    ended: Iterator[FilmResult]
    if scheduler is None:
        ended = (film_result(*pair, asked, on_event=on_event, cancel=cancel) for pair in paired)
    else:
        ended = _on_cluster(paired, asked, scheduler)
    results = []
    for result in ended:
        results.append(result)
        if on_film is not None:
            on_film(result)
    with_output = [each for each in results if each.bytes is not None]
    return results, BatchResult(
        films=len(results),
        counts=dict(Counter(each.status for each in results)),
        source_bytes=sum(each.source_bytes or 0 for each in with_output),
        bytes=sum(each.bytes or 0 for each in with_output),
        wall_s=round(time.monotonic() - start, 3),
    )


def exit_status(results: Sequence[FilmResult]) -> int:
    """0, or that of the gravest that happened."""
    seen = {each.status for each in results}
    return next((code for status, code in EXIT_STATUS.items() if status in seen), 0)


def film_result(
    film: Film,
    output: Path,
    asked: Asked,
    *,
    on_event: Callable[[Film, Event], None] | None = None,
    cancel: threading.Event | None = None,
) -> FilmResult:
    """One film, encoded, found finished, or refused: never an exception for its own fault."""
    start = time.monotonic()

    def told(status: Any, **more: Any) -> FilmResult:
        wall_s = round(time.monotonic() - start, 3)
        known: dict[str, Any] = {"source": str(film.path), "output": str(output), "wall_s": wall_s}
        return FilmResult(status=status, **(known | more))

    try:
        source_bytes = film.path.stat().st_size if film.path.is_file() else None
        place = _swapped(film.path, output, asked) if asked.names.replace else None
        if place is not None:
            size = place.stat().st_size
            return told("finished", output=str(place), bytes=size, replaced=True)
        if output.is_file() and not asked.overwrite and not asked.names.replace:
            return told("finished", bytes=output.stat().st_size, source_bytes=source_bytes)
        hear = None if on_event is None else partial(on_event, film)
        made = encode_one(film.path, output, asked, on_event=hear, cancel=cancel)
    except LargerThanSource as error:
        return told("larger", crf=error.crf, reason=error.message, source_bytes=source_bytes)
    except VqcastError as error:
        return told("failed", reason=error.message, hint=error.hint)
    except OSError as error:
        return told("failed", reason=f"{error.filename or output}: {error.strerror or error}")
    facts: dict[str, Any] = {
        "crf": made.crf, "score": made.score, "bytes": made.bytes, "source_bytes": source_bytes,
        "notes": made.notes, "indicative": made.indicative, "metric": made.metric,
    }  # fmt: skip
    if asked.names.replace:
        if why := _why_not(made, source_bytes or 0):
            return told("kept", reason=why, **facts)
        try:
            place = swap(film.path, output, made.sha256, asked)
        except (VqcastError, OSError) as error:
            return told("kept", reason=f"the source could not be replaced: {error}", **facts)
        return told("encoded", replaced=True, **(facts | {"output": str(place)}))
    if not made.met:
        return told("missed", reason=_below(made), **facts)
    return told("encoded", **facts)


def encode_one(
    path: Path,
    output: Path,
    asked: Asked,
    *,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> EncodeResult:
    """Encode one film as ``asked``. Raises as `vqcast.tuning.encode.encode` does."""
    if asked.per_shot is not None:
        return encode_shots(
            path, output, asked, on_event=on_event, on_progress=on_progress, cancel=cancel
        ).output
    return encode(
        path, output, asked.request,
        # An output that waits to be swapped was never swapped, so it is made and measured again.
        overwrite=asked.overwrite or asked.names.replace,
        registry=asked.registry, trust=asked.trust, cache=asked.cache, keep=asked.keep,
        intake=asked.intake, machine=asked.machine, streams=asked.streams,
        allow_larger=asked.allow_larger, measure=asked.measure, parts=asked.parts,
        on_event=on_event, on_progress=on_progress, cancel=cancel,
    )  # fmt: skip


def encode_shots(
    path: Path,
    output: Path,
    asked: Asked,
    *,
    on_event: Callable[[Any], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> ShotsResult:
    """Encode one film shot by shot, as ``asked``. Raises as `encode_per_shot` does."""
    return encode_per_shot(
        path, output, asked.request, asked.per_shot or "pooled",
        overwrite=asked.overwrite or asked.names.replace,
        registry=asked.registry, trust=asked.trust, cache=asked.cache, keep=asked.keep,
        intake=asked.intake, machine=asked.machine, streams=asked.streams,
        allow_larger=asked.allow_larger, on_event=on_event, on_progress=on_progress, cancel=cancel,
    )  # fmt: skip


def _below(made: EncodeResult) -> str:
    return f"{METRICS[made.metric].shown(made.score)} measured, below {made.target:g}"


def _why_not(made: EncodeResult, source_bytes: int) -> str:
    """Why a result does not take its source's place; empty: it does."""
    if not made.met:
        return _below(made)
    if made.bytes >= source_bytes:
        return f"{made.bytes:,} bytes are not fewer than the source's {source_bytes:,}"
    lost = [
        each for each in made.streams
        if each.fate == "left out" and not (each.reason or "").startswith("--")
    ]  # fmt: skip
    gone = [fact.name for fact in (made.hdr.facts if made.hdr else ()) if fact.kept == "no"]
    if gone:
        return f"{' and '.join(gone)} would be lost; write it beside the source instead"
    if lost:
        names = ", ".join(f"stream {each.index} ({each.kind})" for each in lost)
        return f"{names} would be lost; leave it out with --map to replace the source all the same"
    return ""


def swap(source: Path, result: Path, sha256: str, asked: Asked) -> Path:
    """Put ``result`` in ``source``'s place and give its path.

    What is a result, and of which source, is remembered first; the original is kept where that is
    asked for, before its name is taken over in one step. So a run that is killed anywhere here has
    lost nothing, and the next one goes on.
    """
    place = _place(source, result)
    if place != source and place.exists():
        raise InputError("is there, and is not the source", path=place)
    write_atomic(asked.results / sha256, f"{sha256_file(source)}\n".encode())
    if asked.names.keep_original is not None:
        _keep(source, asked.names.keep_original)
    disk.current.rename(result, place)
    if place != source:
        disk.current.unlink(source)
    disk.current.sync_folder(place.parent)
    return place


def _place(source: Path, output: Path) -> Path:
    return source.with_name(source.stem + output.suffix)


def _swapped(source: Path, output: Path, asked: Asked) -> Path | None:
    """The result in ``source``'s place, where an earlier run put one; None where none did."""
    if _result_of(source, asked) is not None:
        return source
    place = _place(source, output)
    if place != source and place.is_file() and _result_of(place, asked) == sha256_file(source):
        if asked.names.keep_original is not None:
            _keep(source, asked.names.keep_original)
        disk.current.unlink(source)  # the last step of a run that was killed before it
        return place
    return None


def _result_of(path: Path, asked: Asked) -> str | None:
    """The sha256 of the source that a file is the result of; None: it is none."""
    folder = asked.results
    if not folder.is_dir() or not path.is_file() or not any(os.scandir(folder)):
        return None
    record = folder / sha256_file(path)
    return record.read_text().strip() if record.is_file() else None


def _keep(source: Path, folder: Path) -> None:
    """A second name or a copy of a film in ``folder``, durable."""
    make_folders(folder)
    kept = folder / source.name
    if kept.exists():
        if kept.samefile(source) or sha256_file(kept) == sha256_file(source):
            return
        raise InputError("already exists", path=kept, hint="name another --keep-original")
    try:
        os.link(source, kept)
    except OSError:  # another disk, or one without links
        part = folder / f".{source.name}.part"
        shutil.copy2(source, part)
        if sha256_file(part) != sha256_file(source):
            raise InputError("was not copied whole", path=part) from None
        adopt(part, kept)
    disk.current.sync_folder(folder)


def _on_cluster(
    paired: Sequence[tuple[Film, Path]], asked: Asked, scheduler: str
) -> Iterator[FilmResult]:
    """One film a task; a lost worker's film runs again elsewhere."""
    client = DaskCluster(scheduler).client()
    try:
        from distributed import as_completed

        futures = {
            client.submit(film_result, film, output, asked, pure=False): (film, output)
            for film, output in paired
        }
        for future in as_completed(list(futures), loop=client.loop):  # type: ignore[no-untyped-call]
            film, output = futures[future]
            if future.status == "finished":
                yield future.result()
            else:
                error = future.exception()
                yield FilmResult(
                    source=str(film.path), output=str(output), status="failed",
                    reason=f"{type(error).__name__}: {error}",
                )  # fmt: skip
    finally:
        client.close(timeout=1)
