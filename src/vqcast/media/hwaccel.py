"""Decoding, and scoring by CUDA, on a device that shows here that it gives what software gives.

A method of ffmpeg's ``-hwaccel`` is used for a source once it has decoded the source's first frames
to the same bits as software; libvmaf_cuda once it has scored drawn frames as libvmaf does. ffmpeg
is never told ``auto``, which ends it where a library is missing::

    tool = equipped(find_ffmpeg(), "auto")
    source = on_device(probe(path, tool), tool)
    source.video.device, source.notes
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.files import sha256_bytes
from vqcast.durable.scratch import scratch
from vqcast.errors import ToolUnavailable, VqcastError
from vqcast.media import argv, inputs
from vqcast.media.complaint import cause, told
from vqcast.media.decode import decode
from vqcast.media.inputs import HW_METHODS, HwDecoder
from vqcast.media.measure import read_logs
from vqcast.media.option_check import help_of
from vqcast.media.run import run
from vqcast.media.source import Source
from vqcast.media.tool import Tool

_OUTPUTS = {"videotoolbox": "videotoolbox_vld"}
"""Method -> its pixel format by ffmpeg's name, where that is not the method's own."""
_DOWNLOADS = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
"""Pixel format of a source -> what devices hand over of it."""
_EXACT = ("h264", "hevc", "vp8", "vp9", "av1")
"""Codecs whose standards leave a decoder no choice of a bit."""
_FRAMES = 16
_EVERY = 3
_SAME = 1e-3
"""How far libvmaf_cuda's numbers may lie off libvmaf's."""
_DEADLINE_S = 60


def decoder(method: str, pix_fmt: str) -> HwDecoder:
    """How ``method`` decodes pictures of ``pix_fmt``, yuv420p or yuv420p10le."""
    words = ("-hwaccel", method, "-hwaccel_output_format", _OUTPUTS.get(method, method))
    return HwDecoder(method, words, f"hwdownload,format={_DOWNLOADS[pix_fmt]},format={pix_fmt}")


def on_device(source: Source, tool: Tool) -> Source:
    """``source``, decoded by what ``tool`` was asked for, and a note of that or of why not.

    Raises ToolUnavailable where a method that was named can't decode it here.
    """
    asked = tool.hwaccel
    if not asked:
        return source
    reasons = {"it": why} if (why := _unfit(source)) else {}
    for method in () if reasons else HW_METHODS if asked == "auto" else (asked,):
        device = decoder(method, source.pix_fmt)
        if not (why := why_not(source, device, tool)):
            notes = (*source.notes, f"decoded by {method}{_of_scoring(method, tool)}")
            return replace(source, video=replace(source.video, device=device), notes=notes)
        reasons[method] = why
    if asked != "auto":
        (why,) = reasons.values()
        raise ToolUnavailable(
            f"can't be decoded by --hwaccel {asked} here: it {why}", path=source.path,
            hint="leave it out, or say --hwaccel auto, which goes on in software",
        )  # fmt: skip
    said = "; ".join(f"{name} {why}" for name, why in reasons.items())
    return replace(source, notes=(*source.notes, f"decoded and scored in software: {said}"))


def _unfit(source: Source) -> str:
    """Why no device is tried on ``source``; empty: it is one for devices."""
    if source.raw is not None:
        return "is raw video"
    if source.damage is not None:
        return "is damaged, and each decoder mends that in its own way"
    if source.codec not in _EXACT:
        return f"is {source.codec}, which decoders may round differently"
    return "" if source.pix_fmt in _DOWNLOADS else f"has pictures of {source.pix_fmt}"


def why_not(source: Source, device: HwDecoder, tool: Tool) -> str:
    """Why ``device`` is not used for ``source``; empty: it gives the bits of software."""
    if device.method not in _listed(tool):
        return "is not among this ffmpeg's methods"
    video = replace(source.video, device=device)
    frames = min(_FRAMES, source.frames)
    try:
        theirs = decode(source.path, tool, frames=frames, video=video)
    except VqcastError as error:
        return f"failed: {error.message}"
    if theirs.said:
        return f"failed: {told(theirs.said)[0]}"
    ours = decode(source.path, tool, frames=frames, video=source.video)
    return "" if theirs.agrees(ours) else "gives other pictures than software"


@cache
def _listed(tool: Tool) -> frozenset[str]:
    """What ``ffmpeg -hwaccels`` names: what was built in, whether there is a device or not."""
    said = run([str(tool.path), "-hide_banner", "-hwaccels"], deadline_s=_DEADLINE_S).stdout
    return frozenset(said.split())


def equipped(tool: Tool, asked: str | None) -> Tool:
    """``tool`` that is asked for a method, and scores by libvmaf_cuda where that can be shown.

    Its numbers are then measurements of their own, and found under another digest.
    """
    if asked is None:
        return tool
    if asked in ("auto", "cuda") and not _why_not_scored(tool):
        digest = sha256_bytes(f"{tool.sha256} libvmaf_cuda".encode())
        tool = replace(tool, cuda=True, sha256=digest)
    return replace(tool, hwaccel=asked)


def _of_scoring(method: str, tool: Tool) -> str:
    if tool.cuda:
        return ", and what VMAF v0.6.1 alone scores in 8 bits is scored by libvmaf_cuda"
    return f"; scored in software: {_why_not_scored(tool)}" if method == "cuda" else ""


@cache
def _why_not_scored(tool: Tool) -> str:
    """Why libvmaf_cuda is not used; empty: it scores drawn frames as libvmaf does."""
    if "Inputs:" not in help_of(tool, "filter=libvmaf_cuda"):
        return "this ffmpeg has no filter libvmaf_cuda"
    with scratch() as name:
        folder = Path(name)
        clip, made = folder / "clip.mkv", folder / "made.mp4"
        worse = argv.encode(
            tool.path, inputs.read(clip), None, ["-c:v", "mpeg4", "-q:v", "20"], made
        )
        for words in (argv.test_clip(tool.path, clip, _FRAMES), worse):
            run(words, cwd=folder, deadline_s=_DEADLINE_S)
        try:
            ours, theirs = (_scored(tool, made, clip, folder, cuda=cuda) for cuda in (False, True))
        except VqcastError as error:
            return error.message
    apart = float(np.abs(ours - theirs).max())
    return "" if apart <= _SAME else f"libvmaf_cuda is {apart:.4f} off libvmaf"


def _scored(tool: Tool, made: Path, clip: Path, folder: Path, *, cuda: bool) -> NDArray[np.float64]:
    """``[columns, frames]`` of ``made`` against ``clip``."""
    graph = argv.score_filter(8, _FRAMES, every=_EVERY)
    graph = argv.on_cuda(graph) if cuda else graph
    words = argv.score(tool.path, inputs.read(made), inputs.read(clip), graph)
    finished = run(words, cwd=folder, deadline_s=_DEADLINE_S)
    if finished.returncode:
        raise VqcastError(f"libvmaf_cuda failed: {cause(finished.stderr)}")
    columns = read_logs(folder, _FRAMES, "the trial", every=_EVERY, also=())
    return np.stack(list(columns.values()))
