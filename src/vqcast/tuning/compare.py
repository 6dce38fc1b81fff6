"""Encoders and presets beside each other: the size and the time that a target costs with each.

    asked = CompareRequest(encoders=("libx264", "libsvtav1"), target=93)
    for row in compare(Path("film.mkv"), asked).rows: ...

Every row is a tuning whose probes are timed, and starts from what the rows before it saw. After one
probe each, only rows that may still be on the front of size against time are tuned to the end.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_doc import Doc
from msgspec.structs import replace as replace_fields

from vqcast.documents.compare import CompareResult, CompareRow
from vqcast.documents.tune import TuneProbed, TuneResult
from vqcast.durable.scratch import scratch
from vqcast.errors import InputError
from vqcast.media.source import Doubted, Intake, Source, reread
from vqcast.metric import MetricName
from vqcast.serve.trust import Trust
from vqcast.tuning.filtering import probed, tool_of
from vqcast.tuning.kinds import kinds
from vqcast.tuning.machine import Machine
from vqcast.tuning.pace import energy, pace
from vqcast.tuning.request import TOLERANCE_PERCENT, TuneRequest
from vqcast.tuning.session import Session, default_cache
from vqcast.tuning.title import Progress

_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600}
_BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9}
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """What is compared. Raises InputError for what no row can be made of."""

    encoders: Annotated[tuple[str, ...], Doc("Encoders by ffmpeg's names: repeat, or a,b.")]
    target: Annotated[float, Doc("The score that every row is to reach.")]
    preset: Annotated[
        tuple[str, ...],
        Doc(
            "Presets, each for the encoders that have it: repeat, or a,b. Default: each encoder's "
            "medium one."
        ),
    ] = ()
    confidence: Annotated[
        float, Doc("Share of titles whose rows are to reach the target; how wide intervals are.")
    ] = 0.95
    metric: Annotated[MetricName, Doc("What the target is a score of, as for tune.")] = "vmaf"
    tolerance_percent: Annotated[
        float, Doc("Stop probing a row once this many percent of its size could still be saved.")
    ] = TOLERANCE_PERCENT
    budget: Annotated[
        str | None,
        Doc("Pick the smallest row within a time, such as 90s, 20min or 2h, or the fastest within "
            "a size, such as 700MB."),
    ] = None  # fmt: skip
    exact: Annotated[
        bool, Doc("Encode and score the whole title at every row's CRF before answering.")
    ] = False

    def __post_init__(self) -> None:
        for field in ("encoders", "preset"):
            object.__setattr__(self, field, _listed(getattr(self, field)))
        if not self.encoders:
            raise InputError(
                "names no encoder", field="encoder", hint="--encoder libx264,libsvtav1"
            )
        if self.budget is not None:
            budget_of(self.budget)
        self.rows()

    def rows(self) -> list[TuneRequest]:
        """The tuning of each row. Raises InputError for a preset that no encoder has."""
        return [
            TuneRequest(
                encoder=name, target=self.target, preset=preset, confidence=self.confidence,
                metric=self.metric, tolerance_percent=self.tolerance_percent, verify=self.exact,
            )
            for name, preset in kinds(self.encoders, self.preset)
        ]  # fmt: skip


def _listed(values: Sequence[str]) -> tuple[str, ...]:
    parts = (part.strip() for value in values for part in value.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def budget_of(text: str) -> tuple[str, float]:
    """``"time"`` and seconds, or ``"size"`` and bytes. Raises InputError for other words."""
    match = _BUDGET.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or unit not in _SECONDS | _BYTES or float(match[1]) == 0:
        raise InputError(
            f"{text!r} is neither a time nor a size", field="budget",
            hint="write 90s, 20min, 2h, 700MB or 1.5GB",
        )  # fmt: skip
    if unit in _SECONDS:
        return "time", float(match[1]) * _SECONDS[unit]
    return "size", float(match[1]) * _BYTES[unit]


def compare(
    source: str | Path | Source,
    asked: CompareRequest,
    *,
    registry: Path | None = None,
    trust: Trust | None = None,
    cache: Path | None = None,
    keep: bool = True,
    machine: Machine | None = None,
    on_probe: Callable[[str, TuneProbed], None] | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    intake: Intake | None = None,
) -> CompareResult:
    """The rows of ``asked`` for ``source``.

    ``on_probe`` is told of the row, as words, and each of its probes. Other arguments and what is
    raised are those of `vqcast.tune`.
    """
    tool, began = tool_of(machine), time.monotonic()
    requests = [each.described(tool) for each in asked.rows()]
    opened = probed(source, requests[0], tool, intake)

    def compared(source: Source) -> CompareResult:
        with ExitStack() as stack:
            folder = (cache or default_cache()) if keep else None
            folder = folder or Path(stack.enter_context(scratch()))
            sessions: list[Session] = []
            for request in requests:
                sessions.append(
                    Session(
                        request, source, tool, folder, registry=registry, trust=trust,
                        machine=machine, on_progress=on_progress, timed=True,
                        cancel=cancel or threading.Event(),
                        beside=sessions[0] if sessions else None,
                    )
                )  # fmt: skip
                stack.enter_context(closing(sessions[-1].title))
                told = _teller(sessions[-1], on_probe)
                told(sessions[-1].glance())
            return _compared(asked, sessions, on_probe, began)

    try:
        return compared(opened)
    except Doubted:
        return compared(reread(opened, tool))


def _teller(
    session: Session, on_probe: Callable[[str, TuneProbed], None] | None
) -> Callable[[object], None]:
    words = " ".join(filter(None, (session.request.encoder, session.preset)))

    def tell(event: object) -> None:
        if on_probe is not None and isinstance(event, TuneProbed):
            on_probe(words, event)

    return tell


def _compared(
    asked: CompareRequest,
    sessions: Sequence[Session],
    on_probe: Callable[[str, TuneProbed], None] | None,
    began: float,
) -> CompareResult:
    goals = [session.goal for session in sessions]
    for session in sessions:
        session.goal = replace(session.goal, tolerance=1.0)
    results = [session.run(_teller(session, on_probe)) for session in sessions]
    rows = [_row(session, result) for session, result in zip(sessions, results, strict=True)]
    for index, session in enumerate(sessions):
        if not any(surely_better(other, rows[index]) for other in rows):
            session.goal = replace(session.goal, tolerance=goals[index].tolerance)
            results[index] = session.run(_teller(session, on_probe))
            rows[index] = _row(session, results[index])
    rows = marked(rows)
    chosen, reason = pick(rows, asked.budget)
    first = results[0]
    notes = {note: None for session in sessions for note in session.notes()}
    return CompareResult(
        source=first.source, target=asked.target, confidence=asked.confidence,
        metric=asked.metric, pool=first.pool, rows=rows, budget=asked.budget, chosen=chosen,
        reason=reason, notes=list(notes), wall_s=round(time.monotonic() - began, 3),
    )  # fmt: skip


def _row(session: Session, result: TuneResult) -> CompareRow:
    found = pace(result.probes, result.crf, session.source.frames)
    if found is None:
        raise InputError("no probe could be timed", path=session.source.path)
    seconds = [round(each, 3) for each in found.within(session.request.confidence)]
    return CompareRow(
        encoder=result.encoder, preset=result.preset, status=result.status, crf=result.crf,
        score=result.score, lower=result.lower, upper=result.upper, basis=result.basis,
        bytes=result.bytes, bytes_lower=result.bytes_lower, bytes_upper=result.bytes_upper,
        encode_s=seconds[0], encode_s_lower=seconds[1], encode_s_upper=seconds[2],
        energy_j=energy(result.probes, seconds[0]),
        probes=len(result.probes), frames_encoded=result.frames_encoded, front=False,
    )  # fmt: skip


def surely_better(one: CompareRow, other: CompareRow) -> bool:
    """Whether ``one`` is both smaller and faster, whatever their intervals leave open."""
    return (
        one.status == "met"
        and one.bytes_upper < other.bytes_lower
        and one.encode_s_upper < other.encode_s_lower
    )


def marked(rows: Sequence[CompareRow]) -> list[CompareRow]:
    """The rows, those on the Pareto front of size against time marked.

    A row that misses the target is on none.
    """
    met = [row for row in rows if row.status == "met"]

    def beaten(row: CompareRow) -> bool:
        return any(
            (other.bytes, other.encode_s) != (row.bytes, row.encode_s)
            and other.bytes <= row.bytes
            and other.encode_s <= row.encode_s
            for other in met
        )

    return [replace_fields(row, front=row.status == "met" and not beaten(row)) for row in rows]


def pick(rows: Sequence[CompareRow], budget: str | None) -> tuple[int | None, str]:
    """The row that the budget picks, and why."""
    met = [index for index, row in enumerate(rows) if row.status == "met"]
    if not met:
        return None, "no row reaches the target"
    if budget is None:
        front = sum(row.front for row in rows)
        return None, f"{front} of {len(rows)} are on the front of size against time"
    kind, most = budget_of(budget)

    def cost(index: int) -> tuple[float, float]:
        size, seconds = float(rows[index].bytes), rows[index].encode_s
        return (seconds, size) if kind == "time" else (size, seconds)

    within = [index for index in met if cost(index)[0] <= most]
    if not within:
        least = rows[min(met, key=cost)]
        best = f"{least.encode_s:.0f} s" if kind == "time" else f"{least.bytes / 1e6:.1f} MB"
        return None, f"no row is within {budget}: the least is {best}, {least.encoder}"
    chosen = min(within, key=lambda index: cost(index)[1])
    what = "smallest" if kind == "time" else "fastest"
    return chosen, f"the {what} within {budget}"
