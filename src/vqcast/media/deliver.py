"""The file that a user keeps: the whole title encoded, its other streams beside it.

The pictures are those of a whole-title probe, since the encoder is told the
same. The output gets its name only once it was read back and compared::

    made = deliver(source, "libx264", "medium", 23, tool, Path("out.mkv"))
    scores = measure_delivered(source, made, tool, v1=False)
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqcast.durable.files import TEMPORARY_PREFIX, adopt, remove
from vqcast.errors import InputError, MediaError, ToolFailure
from vqcast.media import argv
from vqcast.media.decode import decode_made
from vqcast.media.encoders import encoder
from vqcast.media.measure import Scores, check, deadline_s, encoder_options, score
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.streams import Container, Stream, carry, container, inventory
from vqcast.media.tool import Tool

_TIMES_US = 2000
"""How far a frame's time may lie off the source's: containers count milliseconds."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A whole title as it was delivered, checked."""

    path: Path
    encoder: str
    frames: int
    bytes: int
    """Of the file."""
    video_bytes: int
    """Of the video packets, as the encoder gave them."""
    wall_s: float
    left_out: tuple[str, ...] = ()
    """Streams of the source that the container does not hold and nobody watches: data, covers."""


def check_output(source: Source, encoder_name: str, output: Path, *, overwrite: bool) -> None:
    """Raise InputError for an output that `deliver` would refuse, before anything is encoded."""
    _plan(source, encoder_name, output, overwrite=overwrite)


def deliver(
    source: Source,
    encoder_name: str,
    preset: str | None,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    overwrite: bool = False,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Delivered:
    """Encode all of ``source`` to ``output``, whose suffix names the container.

    Audio, subtitles, chapters, tags, frame times, sample aspect ratio, rotation and colour
    description go with it. ``on_progress`` is told the frames that are encoded so far. Raises
    InputError where ``output`` already exists (unless ``overwrite``), is the source, or can't
    hold a stream; ToolFailure where ffmpeg fails or what it made is not the source's.
    """
    start = time.monotonic()
    target, streams, carried, left = _plan(source, encoder_name, output, overwrite=overwrite)
    entry = encoder(encoder_name)
    options = encoder_options(source, entry, cq, preset)
    pictures = [*entry.before_input, *argv.read(source.path, source.raw)]
    path = output.absolute()
    made = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}"
    what = f"{source.name} to {output.name}"
    try:
        with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
            log = Path(folder) / argv.PACKET_LOG
            finished = run(
                argv.deliver(
                    tool.path, pictures, options, streams, target.muxer, made, video=source.video
                ),
                cwd=Path(folder),
                deadline_s=deadline_s(source.width * source.height, source.frames),
                cancel=cancel,
                on_poll=None if on_progress is None else lambda: on_progress(argv.count_lines(log)),
            )
            check(finished, what, source)
            sizes = [int(size) for size in log.read_text().split()] if log.is_file() else []
        if len(sizes) != source.frames:
            source.judge(f"{len(sizes)} packets for {source.frames} frames")
            raise ToolFailure(f"{what}: {len(sizes)} packets for {source.frames} frames")
        _compare(source, made, carried, tool, what)
        _refuse_existing(path, overwrite=overwrite)
        adopt(made, path)
    finally:
        with contextlib.suppress(InputError):
            remove(made)
    return Delivered(
        path=path,
        encoder=encoder_name,
        frames=source.frames,
        bytes=path.stat().st_size,
        video_bytes=sum(sizes),
        wall_s=time.monotonic() - start,
        left_out=tuple(str(stream) for stream in left),
    )


def measure_delivered(
    source: Source,
    delivered: Delivered,
    tool: Tool,
    *,
    v1: bool,
    size: tuple[int, int] | None = None,
    cancel: threading.Event | None = None,
) -> Scores:
    """Score the delivered file's pictures against the source's, frame by frame."""
    depth = encoder(delivered.encoder).scoring_depth(source.depth)
    return score(source, delivered.path, tool, depth=depth, v1=v1, size=size, cancel=cancel)


def _plan(
    source: Source, encoder_name: str, output: Path, *, overwrite: bool
) -> tuple[Container, list[str], list[Stream], list[Stream]]:
    target = container(output)
    if not source.whole:
        raise InputError("was probed in part, and all of it is delivered", path=source.path)
    if not output.absolute().parent.is_dir():
        raise InputError("its folder does not exist", path=output, hint="create it first")
    _refuse_existing(output, overwrite=overwrite)
    if output.exists() and output.samefile(source.path):
        raise InputError("is the source itself", path=output, hint="give the output another name")
    streams = inventory(source.path) if source.raw is None else []
    codec = encoder(encoder_name).codec
    return target, *carry(streams, target, codec=codec, encoder=encoder_name)


def _refuse_existing(output: Path, *, overwrite: bool) -> None:
    if output.is_symlink() or (output.exists() and not (overwrite and output.is_file())):
        raise InputError(
            "already exists",
            path=output,
            hint="give the output another name, or remove it first",
        )


def _compare(source: Source, made: Path, carried: list[Stream], tool: Tool, what: str) -> None:
    """Raise ToolFailure unless ``made`` decodes, and its times and streams are the source's."""
    try:
        index = decode_made(made, tool)
    except MediaError as error:
        raise ToolFailure(f"{what}: what was made can't be decoded: {error.message}") from error
    if len(index.times_us) != source.frames or source.index is None:
        raise ToolFailure(f"{what}: {len(index.times_us)} of {source.frames} frames decode")
    moved = (index.times_us - source.index.times_us).astype(np.float64)
    moved -= np.median(moved)
    if np.abs(moved).max() > _TIMES_US:
        frame = int(np.abs(moved).argmax())
        raise ToolFailure(f"{what}: frame {frame} comes {moved[frame] / 1000:+.1f} ms off")
    kinds = ["video", *(stream.kind for stream in carried)]
    if [stream.kind for stream in inventory(made)][: len(kinds)] != kinds:
        raise ToolFailure(f"{what}: it does not hold the streams that were carried")
