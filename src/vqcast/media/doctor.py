"""What really works here: every encoder encodes a tiny clip, every model scores one.

`examine` tries everything, for ``vqcast doctor``; `require_devices` tries the
hardware that a build asks for, before the build encodes any of its sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vqcast.documents import jsontext
from vqcast.durable.files import read_regular
from vqcast.durable.scratch import scratch
from vqcast.errors import ToolUnavailable, VqcastError
from vqcast.media import argv, inputs, measure
from vqcast.media.complaint import cause
from vqcast.media.encoders import ENCODERS, Encoder
from vqcast.media.run import run
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool
from vqcast.metric import TEACHER, TEACHER_V1, VMAF_V1
from vqcast.vocab import VOCABULARIES

_FRAMES = 3
_DEADLINE_S = 60
_VERSION_1_NAMES = {"libx264": "x264", "libx265": "x265"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing tried: whether it works, and why not."""

    name: str
    works: bool
    why: str = ""
    hardware: bool = False
    slots: dict[int, str] = field(default_factory=dict)
    """Vocabulary version -> the name of its slot there; empty: it has none anywhere."""


def slots_of(name: str) -> dict[int, str]:
    """The vocabularies that have a slot for an encoder, and what they call it.

    Version 1 writes x264 and x265; the others use ffmpeg's names.
    """
    slots = {}
    for version, vocabulary in VOCABULARIES.items():
        called = _VERSION_1_NAMES.get(name, name) if version == 1 else name
        if called in vocabulary:
            slots[version] = called
    return slots


def _tiny_clip(tool: Tool, folder: Path) -> Source:
    clip = folder / "tiny.mkv"
    finished = run(argv.test_clip(tool.path, clip, _FRAMES), cwd=folder, deadline_s=_DEADLINE_S)
    if finished.returncode:
        raise VqcastError(f"ffmpeg can't make a test clip: {cause(finished.stderr)}")
    return probe(clip, tool)


def _why_not(entry: Encoder, clip: Source, tool: Tool, folder: Path) -> str:
    """Encode ``clip`` once and score the encode: what stops it, or nothing."""
    output = folder / f"{entry.name}.mp4"
    options = entry.options(entry.middle, entry.default_preset, clip.depth)
    pictures = [*entry.before_input, *inputs.read(clip.path)]
    command = argv.encode(tool.path, pictures, None, options, output)
    try:
        finished = run(command, cwd=folder, deadline_s=_DEADLINE_S)
        if finished.returncode or finished.stderr.strip():
            return entry.why_not(finished.stderr)
        depth = entry.scoring_depth(clip.depth)
        measure.score(clip, output, tool, depth=depth)
    except VqcastError as error:
        return error.message
    return ""


def _try_encoder(entry: Encoder, clip: Source, tool: Tool, folder: Path) -> Finding:
    why = _why_not(entry, clip, tool, folder)
    return Finding(entry.name, not why, why, entry.device is not None, slots_of(entry.name))


def _try_models(clip: Source, tool: Tool) -> Iterator[Finding]:
    for model, also in ((TEACHER, ()), (TEACHER_V1, (VMAF_V1.name,))):
        try:
            measure.score(clip, clip.path, tool, depth=8, also=also)
        except VqcastError as error:
            yield Finding(model, False, error.message)
        else:
            yield Finding(model, True)


def libvmaf_version(tool: Tool) -> str:
    """The version that libvmaf writes into its own log."""
    with scratch() as name:
        folder = Path(name)
        clip = _tiny_clip(tool, folder)
        pair = inputs.read(clip.path)
        graph = argv.score_filter(clip.depth, clip.frames)
        run(argv.score(tool.path, pair, pair, graph), cwd=folder, deadline_s=_DEADLINE_S)
        log = jsontext.parse(read_regular(folder / argv.VMAF_LOG), where="libvmaf's log")
    return str(log["version"])


def examine(tool: Tool) -> tuple[list[Finding], list[Finding]]:
    """Findings on every encoder of the adapter table, and on both VMAF models."""
    with scratch() as name:
        folder = Path(name)
        clip = _tiny_clip(tool, folder)
        encoders = [_try_encoder(entry, clip, tool, folder) for entry in ENCODERS.values()]
        return encoders, list(_try_models(clip, tool))


def require_devices(names: Iterable[str], tool: Tool) -> None:
    """Try each hardware encoder among ``names`` on a tiny clip.

    Raises ToolUnavailable, one sentence that names those that can't encode
    here and what each lacks. Software encoders are not tried.
    """
    entries = [ENCODERS[name] for name in names if name in ENCODERS]
    asked = [entry for entry in entries if entry.device is not None]
    if not asked:
        return
    with scratch() as name:
        folder = Path(name)
        clip = _tiny_clip(tool, folder)
        absent = [(entry, why) for entry in asked if (why := _why_not(entry, clip, tool, folder))]
    if absent:
        needed = dict.fromkeys(entry.device.name for entry, _ in absent if entry.device)
        raise ToolUnavailable(
            "; ".join(f"{entry.name} can't encode here: {why}" for entry, why in absent),
            hint=f"needed: {'; '.join(needed)}. vqcast doctor shows what works here",
        )
