"""A video to be encoded: what it is, measured by decoding it once.

``probe`` reads the header with PyAV and counts the frames with the same
ffmpeg that will encode them, so that every later count has something true to
be compared with.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcast.durable.files import sha256_file
from vqcast.errors import InputError, MediaError
from vqcast.extras import needed
from vqcast.media import argv
from vqcast.media.complaint import cause
from vqcast.media.run import run
from vqcast.media.tool import Tool

_DECODE_DEADLINE_S = 600.0
_DECODE_BYTES_PER_S = 500_000
"""So slow a decode is given up; a film of hours is not."""
_DAMAGE_HINT = (
    "get the file again; ffmpeg -v error -i FILE -f null - shows all that is wrong with it"
)
_DEINTERLACE_HINT = "deinterlace it first, for example with ffmpeg -vf bwdif"
MIN_SIDE = 16
_FIRST_FIELD_ORDER = 2
"""AVFieldOrder: 0 is unknown, 1 progressive, what follows is interlaced."""
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273."""
_STEADY_US = 2000
"""How far a steady rate's times lie off it: containers count milliseconds."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How the bytes of a headerless YUV file are to be read."""

    width: int
    height: int
    pix_fmt: str
    fps: Fraction


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """What a decode of a whole file gave, frame by frame."""

    times_us: NDArray[np.int64]
    """``[frames]``, microseconds on the clock that ffmpeg gives the file."""
    digests: NDArray[np.bytes_]
    """``[frames]``, of the decoded samples."""
    interlaced: NDArray[np.bool_]
    """``[frames]``, as the decoder marks them."""


@dataclass(frozen=True, slots=True)
class Source:
    """One video file, as its decoder gives it."""

    path: Path
    name: str
    sha256: str
    width: int
    height: int
    depth: int
    """Bits per sample that scoring uses: 8, or 10 for anything deeper."""
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
    index: FrameIndex | None = field(default=None, compare=False, repr=False)
    """Of the whole file; None where only a part was asked for."""


def _existing_file(path: Path) -> Path:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not a video")
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if not path.is_file():
            raise InputError(f"{path}: is not a regular file")
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: is empty", hint=_DAMAGE_HINT)
        return path.absolute()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Header:
    """What a file says of itself, and its first frame."""

    width: int
    height: int
    pix_fmt: str
    bits: int
    alpha: bool
    interlaced: bool
    hdr: str | None
    """Why its pictures are HDR."""
    rate: Fraction | None
    """Frames a second that ffmpeg takes it for."""


def _header(path: Path, raw: RawFormat | None) -> _Header:
    with needed("av", "reading videos"):
        import av
    options = {"protocol_whitelist": "file", "format_whitelist": argv.FORMATS}
    if raw is not None:
        options |= {"video_size": f"{raw.width}x{raw.height}", "pixel_format": raw.pix_fmt}
        options |= {"framerate": str(raw.fps)}
    try:
        with av.open(
            f"file:{path}", format="rawvideo" if raw else None, options=options
        ) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            if stream.disposition & av.stream.Disposition.attached_pic:
                raise MediaError(
                    f"{path}: its first video stream is a cover picture",
                    hint="keep the video alone: ffmpeg -i FILE -map 0:V:0 -map 0:a? -c copy OUT",
                )
            order = stream.codec_context.field_order if stream.codec_context else 0
            frame = next(container.decode(stream), None)
            if frame is None:
                raise MediaError(f"{path}: holds no frame that can be decoded", hint=_DAMAGE_HINT)
            components = frame.format.components
            side_data: Any = frame.side_data
            beside = [data.type.name for data in side_data]
            return _Header(
                width=frame.width,
                height=frame.height,
                pix_fmt=frame.format.name,
                bits=max(component.bits for component in components),
                alpha=any(component.is_alpha for component in components),
                interlaced=bool(frame.interlaced_frame) or order >= _FIRST_FIELD_ORDER,
                hdr=_hdr(int(frame.color_trc or 0), beside),
                rate=stream.guessed_rate,
            )
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"{path}: not a video that ffmpeg can read: {words}", hint=_DAMAGE_HINT
        ) from error


def _hdr(trc: int, side_data: list[str]) -> str | None:
    """What makes a picture HDR: its transfer characteristics (H.273), or metadata beside it."""
    if trc in _HDR_TRANSFERS:
        return _HDR_TRANSFERS[trc]
    return next(
        (kind for kind in sorted(side_data) if kind.startswith(("DOVI", "DYNAMIC_HDR"))), None
    )


def read_index(folder: Path, path: Path) -> FrameIndex:
    """What `argv.decode` of ``path`` wrote into ``folder``; empty where it decoded nothing.

    Raises MediaError for pictures that change on the way: ffmpeg then starts its filters, and
    with them TIMES_LOG, again.
    """
    times_log, frames_log = folder / argv.TIMES_LOG, folder / argv.FRAMES_LOG
    if not times_log.is_file() or not frames_log.is_file():
        empty = np.zeros(0, dtype=np.int64)
        return FrameIndex(empty, empty.astype("S32"), empty.astype(bool))
    times = [int(ticks) for ticks in re.findall(r" pts:(-?\d+) ", times_log.read_text())]
    rows = [
        line.replace(" ", "").split(",")
        for line in frames_log.read_text().splitlines()
        if not line.startswith("#")
    ]
    if len(times) < len(rows):
        raise MediaError(
            f"{path}: its pictures change size or format on the way",
            hint="cut it there into files of one size and format",
        )
    # Where the last frames are not asked for, some are left in the filters: more times than rows.
    return FrameIndex(
        times_us=np.array(times[: len(rows)], dtype=np.int64),
        digests=np.array([row[5] for row in rows], dtype="S32"),
        interlaced=np.array([int(row[2]) % 2 == 1 for row in rows], dtype=bool),
    )


def decode_deadline_s(path: Path) -> float:
    """Seconds after which a decode of the whole of ``path`` is given up."""
    return _DECODE_DEADLINE_S + path.stat().st_size / _DECODE_BYTES_PER_S


def decode(
    path: Path, tool: Tool, *, raw: RawFormat | None = None, frames: int | None = None
) -> FrameIndex:
    """Decode ``path``, at most ``frames`` frames, and note what each frame is.

    Raises MediaError where the decoder reports any damage.
    """
    with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
        finished = run(
            argv.decode(tool.path, argv.read(path, raw), frames),
            cwd=Path(folder),
            deadline_s=decode_deadline_s(path),
        )
        if finished.returncode or finished.stderr.strip():
            raise MediaError(f"{path}: damaged: {cause(finished.stderr)}", hint=_DAMAGE_HINT)
        return read_index(Path(folder), path)


def probe(
    path: Path,
    tool: Tool,
    *,
    raw: RawFormat | None = None,
    frames: int | None = None,
    group: str | None = None,
) -> Source:
    """What ``path`` holds, with the frames that will be used counted.

    Raises InputError for a missing file or a number that can't be, MediaError
    for one that is no video, is damaged, is interlaced, or is too short for
    ``frames``.
    """
    if frames is not None and frames < 1:
        raise InputError(f"{path}: {frames} frames can't be used, at least 1 is needed")
    path = _existing_file(path)
    if raw is not None:
        _check_raw_length(path, raw)
    header = _header(path, raw)
    width, height = header.width, header.height
    _refuse_header(path, header)
    index = decode(path, tool, raw=raw, frames=frames)
    counted = len(index.times_us)
    if counted == 0 or (frames is not None and counted < frames):
        raise MediaError(f"{path}: holds {counted} frames, {frames or 1} are needed")
    if index.interlaced.any():
        first = int(index.interlaced.argmax())
        raise MediaError(
            f"{path}: is interlaced from frame {first} on, "
            "and VMAF is defined on progressive frames",
            hint=_DEINTERLACE_HINT,
        )
    return Source(
        path=path,
        name=path.stem,
        sha256=sha256_file(path),
        width=width,
        height=height,
        depth=8 if header.bits <= 8 else 10,
        frames=counted,
        whole=frames is None,
        raw=raw,
        group=group,
        steady=_is_steady(index, header.rate),
        notes=_notes(header),
        index=index if frames is None else None,
    )


def _refuse_header(path: Path, header: _Header) -> None:
    width, height = header.width, header.height
    if header.interlaced:
        raise MediaError(
            f"{path}: is interlaced, and VMAF is defined on progressive frames",
            hint=_DEINTERLACE_HINT,
        )
    if min(width, height) < MIN_SIDE or width % 2 or height % 2:
        raise MediaError(
            f"{path}: {width}x{height} can't be encoded as 4:2:0",
            hint=f"crop or scale it to even sides of at least {MIN_SIDE}",
        )
    if header.hdr:
        raise MediaError(
            f"{path}: is HDR ({header.hdr}), and VMAF is defined on SDR pictures",
            hint="map it to SDR first, for example with ffmpeg's filters zscale and tonemap",
        )
    if header.alpha:
        raise MediaError(
            f"{path}: has an alpha channel ({header.pix_fmt}), which no encode here keeps",
            hint="drop it first: ffmpeg -i FILE -vf format=yuv420p -c:v ffv1 -c:a copy OUT.mkv",
        )


def _notes(header: _Header) -> tuple[str, ...]:
    notes = []
    if "420" not in header.pix_fmt and header.pix_fmt not in ("nv12", "nv21"):
        notes.append(f"{header.pix_fmt} is encoded and scored as 4:2:0")
    if header.bits > 10:
        notes.append(f"{header.bits} bits a sample are encoded and scored as 10")
    return tuple(notes)


def _is_steady(index: FrameIndex, rate: Fraction | None) -> bool:
    if not rate:
        return False
    grid = np.arange(len(index.times_us)) * (1e6 / float(rate))
    return bool(np.abs(index.times_us - index.times_us[0] - grid).max() <= _STEADY_US)


def _check_raw_length(path: Path, raw: RawFormat) -> None:
    if min(raw.width, raw.height) < 1 or raw.fps <= 0:
        raise InputError(
            f"{path}: {raw.width}x{raw.height} at {raw.fps} frames a second is not a video",
            hint="check --width, --height and --fps",
        )
    frame_bytes = argv.raw_frame_bytes(raw.width, raw.height, raw.pix_fmt)
    size = path.stat().st_size
    if size % frame_bytes:
        raise MediaError(
            f"{path}: {size} bytes are not whole frames of {raw.width}x{raw.height} {raw.pix_fmt}"
            f" ({frame_bytes} bytes each)",
            hint="check --width, --height and --pix-fmt",
        )
