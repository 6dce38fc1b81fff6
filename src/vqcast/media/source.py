"""A video to be encoded: what it is, measured by decoding it once.

``probe`` reads the header with PyAV and counts the frames with the same
ffmpeg that will encode them, so that every later count has something true to
be compared with.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vqcast.durable.files import sha256_file
from vqcast.errors import InputError, MediaError, MissingDependency
from vqcast.media import argv
from vqcast.media.run import run
from vqcast.media.tool import Tool

_PROBE_DEADLINE_S = 600.0
_DAMAGE_HINT = (
    "get the file again; ffmpeg -v error -i FILE -f null - shows all that is wrong with it"
)
MIN_SIDE = 16


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How the bytes of a headerless YUV file are to be read."""

    width: int
    height: int
    pix_fmt: str
    fps: Fraction


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


def _header(path: Path, raw: RawFormat | None) -> tuple[int, int, int, bool]:
    """Width, height, bits per sample and interlacing of the first frame."""
    try:
        import av
    except ImportError as error:
        raise MissingDependency(
            "reading videos needs PyAV", hint="pip install 'vqcast[media]'"
        ) from error
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
            frame = next(container.decode(video=0), None)
            if frame is None:
                raise MediaError(f"{path}: holds no frame that can be decoded", hint=_DAMAGE_HINT)
            bits = max(component.bits for component in frame.format.components)
            return frame.width, frame.height, bits, bool(frame.interlaced_frame)
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"{path}: not a video that ffmpeg can read: {words}", hint=_DAMAGE_HINT
        ) from error


def count_frames(
    path: Path, tool: Tool, *, raw: RawFormat | None = None, frames: int | None = None
) -> int:
    """Frames that ffmpeg decodes from ``path``, at most ``frames``.

    Raises MediaError where the decoder reports any damage.
    """
    with tempfile.TemporaryDirectory(prefix="vqcast-") as folder:
        finished = run(
            argv.count(tool.path, argv.read(path, raw), frames),
            cwd=Path(folder),
            deadline_s=_PROBE_DEADLINE_S,
        )
        if finished.returncode or finished.stderr.strip():
            raise MediaError(
                f"{path}: damaged: {argv.last_words(finished.stderr)}", hint=_DAMAGE_HINT
            )
        return argv.count_lines(Path(folder) / argv.COUNT_LOG)


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
    width, height, bits, interlaced = _header(path, raw)
    if interlaced:
        raise MediaError(
            f"{path}: is interlaced, and VMAF is defined on progressive frames",
            hint="deinterlace it first, for example with ffmpeg -vf bwdif",
        )
    if min(width, height) < MIN_SIDE or width % 2 or height % 2:
        raise MediaError(
            f"{path}: {width}x{height} can't be encoded as 4:2:0",
            hint=f"crop or scale it to even sides of at least {MIN_SIDE}",
        )
    counted = count_frames(path, tool, raw=raw, frames=frames)
    if counted == 0 or (frames is not None and counted < frames):
        raise MediaError(f"{path}: holds {counted} frames, {frames or 1} are needed")
    return Source(
        path=path,
        name=path.stem,
        sha256=sha256_file(path),
        width=width,
        height=height,
        depth=8 if bits <= 8 else 10,
        frames=counted,
        whole=frames is None,
        raw=raw,
        group=group,
    )


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
