"""Encodes of one title cut into segments, with the playlists that players open: HLS and DASH.

rung = encode_rung(source, entry, "10", 35, tool, Path("r0.mp4"), coded=(1280, 720), every=100)
cut([rung.path], Path("out"), tool, segment_s=4.0)  # out/master.m3u8, out/manifest.mpd
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from vqcast.errors import ToolFailure
from vqcast.media import argv, inputs
from vqcast.media.encoders import Encoder
from vqcast.media.measure import Encoded, check, deadline_s, encoder_options, packets_of
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.tool import Tool

_SQUARE = "setsar=sar:max=65535"
"""A shape of pixels that a source doesn't tell is 1:1, so that rungs agree on that of pictures."""
HLS, DASH = "master.m3u8", "manifest.mpd"


def rung_argv(
    source: Source,
    entry: Encoder,
    preset: str | None,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    coded: tuple[int, int],
    every: int,
    threads: int,
) -> list[str]:
    """The command line of one rung: scaled to ``coded``, a key frame each ``every`` frames."""
    options = encoder_options(source, entry, cq, preset, threads=threads, coded=coded)
    options = inputs.filtered(options, _SQUARE)
    options += ["-force_key_frames", f"expr:not(mod(n,{every}))"]
    if entry.codec.name == "hevc":  # else x265 and its like begin there without a clean start
        options += ["-forced-idr", "1"]
    read = [*entry.before_input, *source.read()]
    limit = None if source.whole else source.frames
    return argv.encode(tool.path, read, limit, options, output, video=source.video)


def encode_rung(
    source: Source,
    entry: Encoder,
    preset: str | None,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    coded: tuple[int, int],
    every: int,
    threads: int = 1,
    cancel: threading.Event | None = None,
) -> Encoded:
    """Encode one rung to ``output`` (MP4). Raises as `vqcast.media.measure.encode` does."""
    command = rung_argv(
        source, entry, preset, cq, tool, output, coded=coded, every=every, threads=threads
    )
    what = f"{source.name} {entry.name} {cq:g} at {coded[0]}x{coded[1]}"
    limit = deadline_s(source.width * source.height, source.frames)
    sizes, wall_s = packets_of(command, output.parent, source.frames, what, source, limit, cancel)
    return Encoded(output, sizes, wall_s * 1000)


def cut_argv(tool: Tool, rungs: Sequence[Path | str], segment_s: float) -> list[str]:
    """The command line that cuts finished rungs into segments in the folder it runs in.

    A segment ends before the first key frame that comes ``segment_s`` or more after its start.
    """
    words = [str(tool.path), "-hide_banner", "-nostdin", "-y", "-loglevel", "error"]
    for rung in rungs:
        words += ["-i", f"file:{rung}"]
    for index in range(len(rungs)):
        words += ["-map", f"{index}:v:0"]
    words += ["-c", "copy", "-f", "dash", "-seg_duration", f"{segment_s:g}"]
    words += ["-adaptation_sets", "id=0,streams=v", "-hls_playlist", "1"]
    return [*words, "-hls_master_name", HLS, DASH]


def cut(
    rungs: Sequence[Path],
    folder: Path,
    tool: Tool,
    *,
    segment_s: float,
    frames: int,
    cancel: threading.Event | None = None,
) -> None:
    """Write segments and playlists of ``rungs`` into ``folder``.

    Raises ToolFailure where ffmpeg fails, or leaves a playlist out.
    """
    limit = deadline_s(1, frames * len(rungs))
    done = run(cut_argv(tool, rungs, segment_s), cwd=folder, deadline_s=limit, cancel=cancel)
    check(done, "segments", place=folder)
    if absent := [name for name in (HLS, DASH) if not (folder / name).is_file()]:
        raise ToolFailure(f"segments: ffmpeg wrote no {absent[0]}")
