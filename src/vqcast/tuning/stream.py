"""The encodes of a ladder: as a shell script, or made, measured and cut into segments for players.

    made = encode(Path("film.mkv"), result, Path("out"))  # out/master.m3u8, out/manifest.mpd

Key frames stand at the same times on every rung, one at the start of each segment.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from vqcast.documents.ladder import EncodedRung, LadderPoint, LadderResult
from vqcast.durable.files import adopt, make_folders
from vqcast.durable.scratch import scratch
from vqcast.errors import InputError
from vqcast.forecast.scale import pooled
from vqcast.media import segments
from vqcast.media.encoders import encoder as adapter
from vqcast.media.measure import score
from vqcast.media.source import Intake, Source, probe
from vqcast.media.threads import plan
from vqcast.media.tool import Tool
from vqcast.metric import METRICS, beside
from vqcast.tuning import sampling
from vqcast.tuning.filtering import tool_of
from vqcast.tuning.machine import Machine
from vqcast.tuning.title import duration_s


def encode(
    source: str | Path | Source,
    result: LadderResult,
    folder: Path,
    *,
    segment_s: float = 4.0,
    machine: Machine | None = None,
    intake: Intake | None = None,
    on_rung: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> LadderResult:
    """Encode every rung of ``result``, measure it, and write segments and playlists to ``folder``.

    ``folder`` appears once all of it is written. Raises InputError where it exists, ToolFailure or
    MediaError where ffmpeg fails.
    """
    require_new(folder)
    make_folders(folder.absolute().parent)
    machine, tool = machine or Machine(), tool_of(machine)
    taken = source if isinstance(source, Source) else probe(Path(source), tool, intake=intake)
    with scratch(folder.absolute().parent) as name:
        place, work = Path(name) / "out", Path(name)
        place.mkdir()
        encoded, files = [], []
        for index, rung in enumerate(result.rungs):
            if on_rung is not None:
                on_rung(f"rung {index + 1} of {len(result.rungs)}")
            files.append(work / f"rung{index}.mp4")
            encoded.append(_rung(taken, result, rung, tool, files[-1], segment_s, machine, cancel))
        segments.cut(
            files, place, tool, segment_s=_least_s(taken, segment_s), frames=taken.frames,
            cancel=cancel,
        )  # fmt: skip
        for path in place.iterdir():  # its bytes are durable before the folder has its name
            adopt(path, path)
        adopt(place, folder)
    return replace(result, encoded=encoded, playlists=[segments.HLS, segments.DASH])


def require_new(folder: Path) -> None:
    """Raise InputError for a folder that exists, or can't be made."""
    if folder.exists():
        raise InputError("exists", path=folder, hint="name a folder that is not there yet")
    above = next(each for each in folder.absolute().parents if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(
            f"can't be made: {above} is no folder that may be written to", path=folder,
            hint="check the folder's rights",
        )  # fmt: skip


def _rung(
    source: Source,
    result: LadderResult,
    rung: LadderPoint,
    tool: Tool,
    output: Path,
    segment_s: float,
    machine: Machine,
    cancel: threading.Event | None,
) -> EncodedRung:
    """Encode one rung, and score it at the display's size."""
    entry, threads = adapter(result.encoder), plan(machine.cores, 1)
    made = segments.encode_rung(
        source, entry, result.preset, rung.crf, tool, output, coded=(rung.width, rung.height),
        every=_key_every(source, segment_s), threads=threads.encoder, cancel=cancel,
    )  # fmt: skip
    metric = METRICS[result.metric]
    every = sampling.spacing(source.frames) if source.frames > sampling.SCORED else 1
    scores = score(
        source, output, tool, depth=entry.scoring_depth(source.depth),
        size=(result.display[0], result.display[1]), every=every, threads=threads.score,
        also=beside([metric.name]), cancel=cancel,
    )  # fmt: skip
    found = pooled(metric, scores.columns, "mean", source.fps or 25.0)
    rate = made.video_bytes * 8 / duration_s(source) / 1000
    return EncodedRung(
        height=rung.height, crf=rung.crf, score=round(found, metric.digits + 1),
        scored=len(scores.columns["vmaf"]), bitrate_kbps=round(rate, 2), bytes=made.video_bytes,
        within=rung.lower <= found <= rung.upper and rung.bitrate_lower <= rate
        <= rung.bitrate_upper,
    )  # fmt: skip


def _key_every(source: Source, segment_s: float) -> int:
    """Frames of a segment."""
    return max(round(segment_s * source.frames / duration_s(source)), 1)


def _least_s(source: Source, segment_s: float) -> float:
    """Seconds after which a segment ends at the next key frame: half a frame before that."""
    return (_key_every(source, segment_s) - 0.5) * duration_s(source) / source.frames


def script(
    source: str | Path | Source,
    result: LadderResult,
    *,
    segment_s: float = 4.0,
    machine: Machine | None = None,
    intake: Intake | None = None,
) -> str:
    """The encodes and the cut as a shell script, which writes to the folder it is run in."""
    machine, tool = machine or Machine(), tool_of(machine)
    taken = source if isinstance(source, Source) else probe(Path(source), tool, intake=intake)
    entry, lines = adapter(result.encoder), ["#!/bin/sh", "set -e"]
    names = [f"rung{index}_{rung.height}.mp4" for index, rung in enumerate(result.rungs)]
    for name, rung in zip(names, result.rungs, strict=True):
        words = segments.rung_argv(
            taken, entry, result.preset, rung.crf, tool, Path(name),
            coded=(rung.width, rung.height), every=_key_every(taken, segment_s),
            threads=plan(machine.cores, 1).encoder,
        )  # fmt: skip
        lines.append(f"# {rung.score:.1f}, {rung.bitrate_kbps:.0f} kbit/s")
        lines.append(shlex.join(_shown(words)))
    lines.append(shlex.join(segments.cut_argv(tool, names, _least_s(taken, segment_s))))
    return "\n".join(lines) + "\n"


def _shown(words: list[str]) -> list[str]:
    """A command without the log of packets, which only vqcast reads."""
    return [
        word
        for index, word in enumerate(words)
        if not (word.startswith("-stats_mux_pre") or words[index - 1].startswith("-stats_mux_pre"))
    ]
