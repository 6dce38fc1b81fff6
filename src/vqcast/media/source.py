"""A video to be encoded: what it is, and which frames it holds.

A short file is decoded whole. Of a longer one times and sizes come from its packets, and its
beginning and end are decoded to see that its frames are those; where they are not, and wherever
later work finds another number of frames or a complaint (`Doubted`), it is decoded whole after all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.source import Damage
from vqcast.errors import InputError, MediaError
from vqcast.media import damage, inputs, refusals
from vqcast.media.complaint import cause
from vqcast.media.decode import EARLIER_US, SAME_US, Decoded, FrameIndex, decode
from vqcast.media.filters import ALWAYS, UNFILTERED, Filters
from vqcast.media.hdr import Light
from vqcast.media.header import DAMAGE_HINT, Header, read_header
from vqcast.media.identity import identify
from vqcast.media.inputs import RawFormat, Segment
from vqcast.media.packets import PacketTable, read_packets
from vqcast.media.refusals import MIN_SIDE
from vqcast.media.remake import remake
from vqcast.media.resolve import Resolved, resolve
from vqcast.media.tool import Tool

Times = NDArray[np.int64]
__all__ = ["MIN_SIDE", "Doubted", "FrameIndex", "Intake", "Source", "probe"]

_STEADY_US = 2000
"""How far a steady rate's times lie off it: containers count milliseconds."""
_CHEAP_PIXELS = 300_000_000
"""Pixels of a title that is decoded whole at once: a second or two."""
_LOOK = 16
"""Frames that are decoded at the beginning and the end of a longer one."""


class Doubted(MediaError):
    """A source that was read by its packets holds something else; `reread` decodes all of it."""


@dataclass(frozen=True, slots=True)
class Intake:
    """How a source is taken."""

    stream: int | None = None
    """Index of the video stream; None: the first that is no cover."""
    refuse_damage: bool = False
    progressive: bool = False
    """Whether pictures flagged as interlaced are progressive, whatever they look like."""
    decode_all: bool | None = None
    """Whether all of it is decoded first; None: where that takes a second or two."""
    digest_all: bool = False
    """Whether its sha256 is needed however large it is."""
    sdr_only: bool = False
    """Whether HDR is refused."""
    filters: Filters = UNFILTERED
    """What its pictures go through first."""

    def __post_init__(self) -> None:
        if self.progressive and (
            self.filters.detelecine or self.filters.deinterlace in (*ALWAYS, "no")
        ):
            raise InputError(
                "--progressive says that no picture is interlaced",
                hint="leave it out, or --deinterlace and --detelecine",
            )


@dataclass(frozen=True, slots=True)
class Source:
    """One video file, as its decoder gives it."""

    path: Path
    name: str
    sha256: str | None
    """Of the file's bytes; None where not all of them were read."""
    width: int
    height: int
    depth: int
    """Bits per sample that scoring uses: 8, or 10 for anything deeper and for HDR."""
    frames: int
    """Frames that are used: all, or as many as were asked for."""
    whole: bool = True
    """Whether ``frames`` are all that the file holds, as far as was asked."""
    raw: RawFormat | None = None
    group: str | None = None
    steady: bool = True
    """Whether its frames come at the rate that ffmpeg takes it for."""
    notes: tuple[str, ...] = ()
    """What encoding and scoring change in its pictures, in words."""
    sampled: str = ""
    """What a large file is told apart by in place of its sha256; see `identity`."""
    rate: Fraction | None = None
    """Frames a second that ffmpeg takes it for."""
    video: inputs.Video = inputs.PLAIN
    """Its pictures, as ffmpeg is told them."""
    video_bytes: int | None = None
    """Of the video stream's packets; None where they were not counted."""
    flagged: bool = False
    """Whether progressive pictures are flagged as interlaced; the flag is not carried on."""
    one_view: bool = False
    """Whether it is one view of several; the description of 3D is not carried on."""
    damage: Damage | None = None
    codec: str = ""
    """FFmpeg's name of the video's codec."""
    pix_fmt: str = ""
    """FFmpeg's name of its pixel format."""
    packets: PacketTable | None = field(default=None, compare=False, repr=False)
    """One a frame; None where frames and packets were not seen to be the same."""
    light: Light | None = None
    """What is said of the light of its HDR or Dolby Vision; None: it has neither."""
    unusual: tuple[str, ...] = ()
    """Why no forecast was calibrated on the like of it, in words that follow "the source"."""
    index: FrameIndex | None = field(default=None, compare=False, repr=False)
    """Of the whole file; None where only a part was asked for."""
    intake: Intake = Intake()
    """How it was taken."""

    @property
    def identity(self) -> str:
        """64 hex digits that two different files do not share; see `vqcast.media.identity`."""
        return self.sha256 or self.sampled

    @property
    def is_hdr(self) -> bool:
        """Whether its transfer is PQ or HLG."""
        return self.light is not None and self.light.transfer is not None

    @property
    def decoded(self) -> bool:
        """Whether every frame of it was decoded, and not its packets counted alone."""
        return self.index is None or self.index.digests is not None

    @property
    def mean_fps(self) -> float | None:
        """Frames a second by their times; None where they are not known, or of one frame."""
        if self.index is None or self.frames < 2:
            return None
        span = float(self.index.times_us.max() - self.index.times_us.min())
        return 1e6 * (self.frames - 1) / span if span > 0 else None

    @property
    def fps(self) -> float | None:
        """Frames a second by their times, else as declared; None: neither is known."""
        return self.mean_fps or (float(self.rate) if self.rate else None)

    def read(self, span: Segment | None = None, threads: int = 1) -> list[str]:
        """The words that open it; see `inputs.read`."""
        return inputs.read(self.path, self.raw, span, threads, device=self.video.device)

    def judge(self, said: str) -> None:
        """Raise Doubted for a complaint in work on a source that was read by its packets."""
        if said and not self.decoded:
            raise Doubted(
                f"{self.path}: is not what its packets say: {said}",
                hint="say --decode-all to read it by its pictures",
            )


def _existing_file(path: Path) -> Path:
    try:
        if path.is_dir():
            raise InputError("is a folder, not a video", path=path)
        if not path.exists():
            raise InputError("no such file", path=path)
        if not path.is_file():
            raise InputError("is not a regular file", path=path)
        if path.stat().st_size == 0:
            raise MediaError("is empty", path=path, hint=DAMAGE_HINT)
        return path.absolute()
    except OSError as error:
        raise InputError(f"{error.strerror}", path=path) from error


def probe(
    path: Path,
    tool: Tool,
    *,
    raw: RawFormat | None = None,
    frames: int | None = None,
    group: str | None = None,
    intake: Intake | None = None,
) -> Source:
    """What ``path`` holds, and the frames that will be used.

    Raises InputError for a missing file or a number that can't be, MediaError for one that is no
    video, is interlaced, decodes to nothing or differently each time, or is too short for
    ``frames``.
    """
    if frames is not None and frames < 1:
        raise InputError(f"{frames} frames can't be used, at least 1 is needed", path=path)
    path = _existing_file(path)
    if raw is not None:
        refusals.check_raw_length(path, raw)
    intake = intake or Intake()
    header = read_header(path, raw, intake.stream)
    sdr_only = intake.sdr_only and not intake.filters.tonemap
    refusals.refuse(path, header, sdr_only=sdr_only)
    if intake.filters.crop is not None:
        header = _as_cropped(path, tool, header, raw, intake.filters)
    taken = resolve(path, header, tool, intake.filters, raw, progressive=intake.progressive)
    header = taken.header
    file = _File(path, tool, raw, frames, intake, taken)
    if taken.video.chain:
        refusals.refuse_size(path, _first_size(file), header)
    elif not refusals.fits(header.width, header.height):  # a container may crop to what fits
        refusals.refuse_size(path, file.decode(frames=1).size, header)
    packets = file.packets() if frames is None else None
    found, harm = _by_packets(file, packets), None
    if found is None:
        found = file.decode(frames=frames)
        harm = _judge_damage(file, found) if found.said else None
    return _source(file, found, packets, harm, group)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is being probed, and how it was asked for."""

    path: Path
    tool: Tool
    raw: RawFormat | None
    frames: int | None
    intake: Intake
    taken: Resolved

    @property
    def header(self) -> Header:
        """What it says of its pictures, and their filters change."""
        return self.taken.header

    def decode(self, *, frames: int | None = None, span: Segment | None = None) -> Decoded:
        return decode(
            self.path, self.tool, raw=self.raw, frames=frames, span=span, video=self.taken.video
        )

    def packets(self) -> PacketTable | None:
        if self.raw is None:
            return read_packets(self.path, self.header.stream, self.header.container)
        raw = self.raw
        each = inputs.raw_frame_bytes(raw.width, raw.height, raw.pix_fmt)
        numbers = np.arange(self.path.stat().st_size // each)
        times = np.round(numbers * float(1_000_000 / raw.fps)).astype(np.int64)
        return PacketTable(times, np.full_like(times, each), np.ones(len(times), bool), True, True)


def _as_cropped(
    path: Path, tool: Tool, header: Header, raw: RawFormat | None, filters: Filters
) -> Header:
    """The header with the size that the container crops to, if it does."""
    size = decode(path, tool, raw=raw, frames=1, video=inputs.Video(header.video)).size
    if size is None or size == (header.width, header.height):
        return header
    if filters.crop == "auto":
        raise InputError(
            f"its container crops {header.width}x{header.height} to {size[0]}x{size[1]}, "
            "and --crop auto does not see that",
            path=path, hint="say what stays: --crop W:H:X:Y",
        )  # fmt: skip
    return replace(header, width=size[0], height=size[1])


def _first_size(file: _File) -> tuple[int, int] | None:
    """Of the first filtered picture. Raises InputError where the filters make none."""
    first = file.decode(frames=1)
    if first.size is None and first.said:
        raise InputError(
            f"its pictures can't be filtered so: {cause(first.said)}",
            path=file.path,
            hint=f"check {file.intake.filters}" if str(file.intake.filters) else None,
        )
    return first.size


def _source(
    file: _File,
    found: Decoded,
    packets: PacketTable | None,
    harm: Damage | None,
    group: str | None,
) -> Source:
    path, header, frames, counted = file.path, file.header, file.frames, len(found.index.times_us)
    if counted == 0 or found.size is None or (frames is not None and counted < frames):
        raise MediaError(f"holds {counted} frames, {frames or 1} are needed", path=path)
    refusals.refuse_size(path, found.size, header)
    flagged = header.interlaced or bool(found.index.interlaced.any())
    if flagged and not (file.taken.looked or file.intake.progressive or file.raw):
        if file.intake.filters.deinterlace == "no":
            refusals.refuse_interlaced(path, header, found.index)
        else:  # flagged further on, not where it begins
            asked = replace(file.intake.filters, deinterlace="auto")
            intake = replace(file.intake, filters=asked)
            return probe(path, file.tool, frames=frames, group=group, intake=intake)
    sha256, identity = identify(path, packets, whole=file.intake.digest_all)
    size = (header.width, header.height) if file.taken.video.chain else found.size
    notes = (*file.taken.notes, *refusals.notes(header, size, flagged=flagged))
    one_for_one = file.taken.one_for_one
    return Source(
        path=path,
        name=path.stem,
        sha256=sha256,
        width=found.size[0],
        height=found.size[1],
        depth=8 if header.bits <= 8 and not header.hdr else 10,
        frames=counted,
        whole=frames is None,
        raw=file.raw,
        group=group,
        steady=_is_steady(found.index, header.rate),
        notes=notes if harm is None else (*notes, damage.in_words(harm)),
        sampled="" if sha256 else identity,
        rate=header.rate,
        video=file.taken.video,
        video_bytes=packets.bytes if packets else None,
        flagged=flagged,
        one_view=header.one_view,
        damage=harm,
        packets=packets if packets and one_for_one and len(packets.times_us) == counted else None,
        codec=header.codec,
        pix_fmt=header.pix_fmt,
        light=header.light if header.hdr or header.light.dolby_vision else None,
        unusual=refusals.unusual(
            path,
            header,
            found.index,
            harm,
            looked_at=file.raw is None and frames is None,
            one_for_one=one_for_one,
        ),
        index=found.index if frames is None else None,
        intake=file.intake,
    )


def _by_packets(file: _File, packets: PacketTable | None) -> Decoded | None:
    """The frames as the packets tell them, where the file's beginning and end bear them out."""
    asked, header = file.intake.decode_all, file.header
    if packets is None or not packets.sound or asked or not file.taken.one_for_one:
        return None
    count = len(packets.times_us)
    cheap = header.width * header.height * count <= _CHEAP_PIXELS
    if count <= 4 * _LOOK or (cheap and asked is None):
        return None
    head = file.decode(frames=_LOOK)
    if head.said or not len(head.index.times_us):
        return None
    # From the stream's own clock to ffmpeg's of the file.
    times = packets.times_us + int(head.index.times_us[0] - packets.times_us[0])
    tail = _tail(file, times) if _agree(times, head.index.times_us) else None
    if tail is None:
        return None
    interlaced = np.concatenate((head.index.interlaced, tail.interlaced))
    return Decoded(FrameIndex(times, None, interlaced), head.size, "")


def _agree(times: Times, decoded: Times) -> bool:
    return len(times) >= len(decoded) and bool(
        (np.abs(times[: len(decoded)] - decoded) <= SAME_US).all()
    )


def _tail(file: _File, times: Times) -> FrameIndex | None:
    """The last frames, decoded, where they are at the times that the packets have."""
    first = len(times) - _LOOK
    start = int(times[first - 1] + times[first]) // 2
    for seek in dict.fromkeys((start, max(start - EARLIER_US, 0))):
        found = file.decode(span=Segment(first, _LOOK, seek, start, None))
        if start > 0 and not found.said and len(found.index.times_us) == _LOOK:
            return found.index if _agree(times[first:] - seek, found.index.times_us) else None
    return None


def _judge_damage(file: _File, found: Decoded) -> Damage:
    """What is wrong with a file whose decode complained; MediaError where it can't be used."""
    path, said = file.path, cause(found.said)
    if not len(found.index.times_us):
        raise MediaError(f"damaged, nothing of it decodes: {said}", path=path, hint=DAMAGE_HINT)
    if not found.agrees(file.decode(frames=file.frames)):
        raise MediaError(
            f"damaged, and two decodes of it differ, so no score of it holds: {said}",
            path=path,
            hint=f"write what decodes to a new file first: {remake(path, 'null')}",
        )
    harm = Damage(frames=0, lost=0, spans=[], said=said)
    if file.raw is None and file.taken.one_for_one:
        harm = damage.locate(path, file.header.stream, found.index, said)
    if file.intake.refuse_damage:
        raise MediaError(
            f"{damage.in_words(harm).partition('; what')[0]}, and damage is refused",
            path=path,
            hint="leave out --on-damage refuse to encode what decodes",
        )
    return harm


def reread(source: Source, tool: Tool) -> Source:
    """A doubted source, decoded whole."""
    careful = replace(source.intake, decode_all=True)
    return probe(source.path, tool, raw=source.raw, group=source.group, intake=careful)


def _is_steady(index: FrameIndex, rate: Fraction | None) -> bool:
    if not rate:
        return False
    grid = np.arange(len(index.times_us)) * (1e6 / float(rate))
    return bool(np.abs(index.times_us - index.times_us[0] - grid).max() <= _STEADY_US)
