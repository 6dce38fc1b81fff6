"""What really works here: every encoder encodes a tiny clip, every model scores one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vqcast.durable import jsontext
from vqcast.durable.files import read_regular
from vqcast.errors import VqcastError
from vqcast.media import argv, measure
from vqcast.media.encoders import ENCODERS, Encoder
from vqcast.media.run import run
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool

_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing tried: whether it works, and why not."""

    name: str
    works: bool
    why: str = ""


def _tiny_clip(tool: Tool, folder: Path) -> Source:
    clip = folder / "tiny.mkv"
    finished = run(argv.test_clip(tool.path, clip, _FRAMES), cwd=folder, deadline_s=60)
    if finished.returncode:
        raise VqcastError(f"ffmpeg can't make a test clip: {argv.last_words(finished.stderr)}")
    return probe(clip, tool)


def _try_encoder(entry: Encoder, clip: Source, tool: Tool, folder: Path) -> Finding:
    cq = round((entry.cq_min + entry.cq_max) / 2)
    try:
        encoded = measure.encode(
            clip, entry.name, entry.default_preset, cq, tool, folder / f"{entry.name}.mp4"
        )
        depth = 10 if "10" in entry.pix_fmt(clip.depth) else clip.depth
        measure.score(clip, encoded.path, tool, depth=depth, v1=False)
    except VqcastError as error:
        return Finding(entry.name, False, error.message)
    return Finding(entry.name, True)


def _try_models(clip: Source, tool: Tool) -> Iterator[Finding]:
    for model, v1 in ((argv.TEACHER, False), (argv.TEACHER_V1, True)):
        try:
            measure.score(clip, clip.path, tool, depth=8, v1=v1)
        except VqcastError as error:
            yield Finding(model, False, error.message)
        else:
            yield Finding(model, True)


def libvmaf_version(tool: Tool) -> str:
    """The version that libvmaf writes into its own log."""
    with tempfile.TemporaryDirectory(prefix="vqcast-") as name:
        folder = Path(name)
        clip = _tiny_clip(tool, folder)
        pair = argv.read(clip.path)
        graph = argv.score_filter(clip.depth, clip.frames, v1=False)
        run(argv.score(tool.path, pair, pair, graph), cwd=folder, deadline_s=60)
        log = jsontext.parse(read_regular(folder / argv.VMAF_LOG), where="libvmaf's log")
    return str(log["version"])


def examine(tool: Tool) -> tuple[list[Finding], list[Finding]]:
    """Findings on every encoder of the adapter table, and on both VMAF models."""
    with tempfile.TemporaryDirectory(prefix="vqcast-") as name:
        folder = Path(name)
        clip = _tiny_clip(tool, folder)
        encoders = [_try_encoder(entry, clip, tool, folder) for entry in ENCODERS.values()]
        return encoders, list(_try_models(clip, tool))
