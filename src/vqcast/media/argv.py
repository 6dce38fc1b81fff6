"""ffmpeg's command lines as pure values.

Every path is an absolute ``file:`` URL, protocols and formats are on a list,
and what a user typed reaches a filter string only as filters that are on a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vqcast.media import beside
from vqcast.media.inputs import PLAIN, WITHOUT_GRAIN, Segment, Video, cut, drop, filtered, through
from vqcast.metric import VMAF

TIMES_LOG = "times.txt"
FRAMES_LOG = "frames.txt"
PACKET_LOG = "packets.txt"
REFERENCE_COUNT_LOG = "reference_frames.txt"
DISTORTED_COUNT_LOG = "distorted_frames.txt"
VMAF_LOG = "vmaf.json"
DIGEST_LOG = "digests.txt"
CHANGE_LOG = "changes.txt"

LOOPBACK = "dec:0"
"""What its encoder made, inside the process that encodes."""
LOOPBACK_HERTZ = 100_000
"""Of the clock of a score in the process that encodes.

ffmpeg holds back what is ahead of its slowest output. A score that comes later than its encode by
that clock, as one of 60 frames a second by a clock of 25, stops one run in five for ever.
"""

THUMBNAIL = (32, 18)
"""Width and height of the pictures by which two files are aligned."""

_DISCARD = ("-fps_mode", "passthrough", "-enc_time_base", "filter", "-f", "null", "-")
"""Every frame once, on the filter's own clock, to nowhere."""


def _start(ffmpeg: Path) -> list[str]:
    return [str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-loglevel", "error"]


def _null(pad: str, log: str) -> list[str]:
    return ["-map", pad, "-stats_enc_pre", log, "-stats_enc_pre_fmt", "{n}", *_DISCARD]


def decode(
    ffmpeg: Path,
    source: Sequence[str],
    frames: int | None,
    span: Segment | None = None,
    *,
    video: Video = PLAIN,
) -> list[str]:
    """Decode the ``video`` stream, its frames' times to TIMES_LOG, digests to FRAMES_LOG.

    Times are microseconds, as an encoder would see them, so guessed where the file has none.
    For FRAMES_LOG the clock is rebuilt, since timestamps closer than the declared rate are no
    damage; its last bit tells an interlaced frame.
    """
    limit = ["-frames:v", str(frames)] if frames is not None else []
    times = "settb=expr=1/1000000,metadata=add:key=t:value=0,metadata=print:file=" + TIMES_LOG
    clock = "settb=expr=1/25,setpts=2*N+INTERLACED"
    words = [*_start(ffmpeg), *source, *limit]
    words += ["-vf", f"{video.first}{drop(span)}{times},{clock}"]
    words += ["-map", f"0:{video}", "-noautoscale"]
    words += ["-fps_mode", "passthrough", "-enc_time_base", "filter"]
    return [*words, "-f", "framehash", "-hash", "murmur3", FRAMES_LOG]


def gather(
    ffmpeg: Path,
    source: Sequence[str],
    reels: Sequence[tuple[Path, Sequence[tuple[int, int]]]],
    pix_fmt: str,
    span: Segment | None = None,
    *,
    video: Video = PLAIN,
) -> list[str]:
    """Decode ``source`` once, and write frames of it to raw files, each a reel.

    A reel is its path and the first frame and number of frames of each look, counted from the
    first frame of ``span``. Times of the frames of reel n go to n.txt, microseconds.
    """
    wanted = _sum(
        [
            f"between(n,{first},{first + frames - 1})*{number}"
            for number, (_, looks) in enumerate(reels, 1)
            for first, frames in looks
        ]
    )
    pads = [f"[p{number}]" for number in range(len(reels))]
    chains = [
        f"{pad}settb=expr=1/1000000,metadata=add:key=t:value=0,"
        f"metadata=print:file={number}.txt[q{number}]"
        for number, pad in enumerate(pads)
    ]
    graph = f"{video.of(0)}{drop(span)}select=e='{wanted}':n={len(reels)}{''.join(pads)}"
    words = [*_start(ffmpeg), *source]
    words += ["-filter_complex_threads", "1", "-filter_complex", ";".join([graph, *chains])]
    for number, (path, _) in enumerate(reels):
        words += ["-map", f"[q{number}]", "-fps_mode", "passthrough", "-enc_time_base", "filter"]
        words += ["-pix_fmt", pix_fmt, "-c:v", "rawvideo", "-f", "rawvideo", f"file:{path}"]
    return words


def _sum(terms: Sequence[str]) -> str:
    """An expression of any length: ffmpeg takes no sum of 100 terms in a row (ENOMEM)."""
    if len(terms) < 3:
        return "+".join(terms)
    half = len(terms) // 2
    return f"({_sum(terms[:half])})+({_sum(terms[half:])})"


def test_clip(ffmpeg: Path, output: Path, frames: int) -> list[str]:
    """Make a lossless moving test picture, large enough for every VMAF model."""
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"]
    made = ["-frames:v", str(frames), "-c:v", "ffv1", "-pix_fmt", "yuv420p"]
    return [*_start(ffmpeg), *picture, *made, "-f", "matroska", f"file:{output}"]


def trial_encode(ffmpeg: Path, before_input: Sequence[str], options: Sequence[str]) -> list[str]:
    """Encode five drawn frames to nowhere, and say whatever there is to say."""
    words = [str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "warning", *before_input]
    words += ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-frames:v", "5"]
    return [*words, *options, "-f", "null", "-"]


def version(ffmpeg: Path, encoder: str, output: Path) -> list[str]:
    """Encode two drawn frames, and have the encoder's library say what it is."""
    words = [str(ffmpeg), "-hide_banner", "-nostdin", "-y", "-loglevel", "verbose"]
    words += ["-f", "lavfi", "-i", "color=size=64x64:rate=25", "-frames:v", "2"]
    return [*words, "-c:v", encoder, "-f", "matroska", f"file:{output}"]


def encode(
    ffmpeg: Path,
    source: Sequence[str],
    frames: int | None,
    options: Sequence[str],
    output: Path,
    span: Segment | None = None,
    *,
    video: Video = PLAIN,
) -> list[str]:
    """Encode the first ``frames`` frames (None: all) to MP4.

    Each packet's size and the time at which it is shown go to PACKET_LOG.

    Nothing cuts a stream that is used whole: where ffmpeg 9 is told the last frame, it at times
    drops all that libvvenc still holds (48-frame clips at high QPs: status 0, no packet).
    """
    limit = [] if frames is None else ["-frames:v", str(frames)]
    limit += cut(span)
    words = [*_start(ffmpeg), *source, "-map", f"0:{video}", *limit]
    # Reading back chapters whose track is not there would look like damage.
    words += ["-map_metadata", "-1", "-map_chapters", "-1"]
    words += ["-fps_mode", "passthrough", *filtered(options, through(video, span))]
    words += ["-stats_mux_pre", PACKET_LOG, "-stats_mux_pre_fmt", "{size} {pts}"]
    return [*words, "-fflags", "+bitexact", "-f", "mp4", f"file:{output}"]


def deliver(
    ffmpeg: Path,
    source: Sequence[str],
    options: Sequence[str],
    streams: Sequence[str],
    muxer: str,
    output: Path,
    *,
    video: Video = PLAIN,
) -> list[str]:
    """Encode the ``video`` stream as `encode` does, with ``streams`` beside it.

    Its filters are for it alone: a cover among ``streams`` is a video, too, and copied.
    """
    options = filtered(options, video.graph)
    options = ["-filter:v:0" if word == "-vf" else word for word in options]
    words = [*_start(ffmpeg), *source, "-map", f"0:{video}", "-fps_mode", "passthrough", *options]
    words += ["-stats_mux_pre:v:0", PACKET_LOG, "-stats_mux_pre_fmt:v:0", "{size}"]
    return [*words, *streams, "-fflags", "+bitexact", "-f", muxer, f"file:{output}"]


def watch(graph: str) -> list[str]:
    """After `deliver`: decode what it encodes, and score it with a `watch_filter` of it.

    Digests of all decoded frames go to DIGEST_LOG, as `decode` gives those of a file.
    """
    return [
        *(*WITHOUT_GRAIN, "-dec", "0:0", "-filter_complex_threads", "1", "-filter_complex", graph),
        *("-map", "[s]", *_DISCARD),
        *("-map", "[dn]", "-fps_mode", "passthrough", "-enc_time_base", "filter"),
        *("-f", "framehash", "-hash", "murmur3", DIGEST_LOG),
        *_null("[rn]", REFERENCE_COUNT_LOG),
    ]


def thumbnails(
    ffmpeg: Path, source: Sequence[str], frames: int, output: Path, *, video: Video = PLAIN
) -> list[str]:
    """Write the first ``frames`` frames, small and in grey, one byte a sample."""
    width, height = THUMBNAIL
    words = [*_start(ffmpeg), *source, "-map", f"0:{video}", "-frames:v", str(frames)]
    words += ["-vf", f"{video.first}scale={width}:{height}:flags=area,format=gray"]
    return [*words, "-fps_mode", "passthrough", "-f", "rawvideo", f"file:{output}"]


def changes(ffmpeg: Path, source: Sequence[str], *, video: Video = PLAIN) -> list[str]:
    """Write how much each frame, made small, differs from the one before it to CHANGE_LOG."""
    graph = f"{video.first}scale=192:108:flags=area,scdet=threshold=0,metadata=print:"
    words = [*_start(ffmpeg), *source, "-map", f"0:{video}", "-fps_mode", "passthrough"]
    return [*words, "-vf", f"{graph}file={CHANGE_LOG}", "-f", "null", "-"]


def side_data(ffmpeg: Path, source: Sequence[str], frames: int) -> list[str]:
    """Tell on standard error what comes beside the first ``frames`` frames."""
    words = [str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "info", *source]
    words += ["-map", "0:v:0", "-frames:v", str(frames), "-vf", "showinfo=checksum=0"]
    return [*words, "-f", "null", "-"]


def trial(
    ffmpeg: Path, source: Sequence[str], streams: Sequence[str], muxer: str, output: Path
) -> list[str]:
    """Write the beginning of ``streams`` beside a drawn picture: whether ``muxer`` takes them."""
    codec = "libvpx" if muxer == "webm" else "mpeg4"
    drawn = ["-f", "lavfi", "-i", "color=size=64x64:rate=25:duration=0.2"]
    words = [*_start(ffmpeg), *source, *drawn, "-map", "1:v:0", "-c:v:0", codec, *streams]
    return [*words, "-t", "0.5", "-f", muxer, f"file:{output}"]


def score_filter(
    depth: int,
    frames: int,
    *,
    size: tuple[int, int] | None = None,
    span: Segment | None = None,
    every: int = 1,
    threads: int = 1,
    sides: tuple[str, str] = ("[0:v:0]", "[1:v:0]"),
    starts: tuple[int, int] | None = None,
    hertz: int = 25,
    also: Sequence[str] = (),
    vmaf: bool = True,
    rate: float | None = None,
) -> str:
    """Pair frame n with frame n, the reference's of ``span``, and score each pair.

    Both clocks are rebuilt from frame numbers, a side that ends early is not
    repeated, and both are brought to one format, the deeper of the two, and to
    ``size`` (width, height; None: as they are). ``every`` scores frames 0, every, 2 every, ...
    with the values that they have among all; ``sides`` begin the distorted side and the
    reference, ``starts`` the first frames of either that are paired, ``hertz`` the clock's rate.
    ``also`` names metrics beside VMAF v0.6.1; without ``vmaf`` it is left out, and all of them are
    filters'. ``rate`` is the pictures' frames a second, where known.
    """
    clock = f"settb=expr=1/{hertz},setpts=N,{compared(depth, size)}"
    ours, theirs = "", f"{drop(span)}trim=end_frame={frames},"
    if starts is not None:
        ours, theirs = (f"trim=start_frame={at}:end_frame={at + frames}," for at in starts)
    made, pristine = _pads(also)
    return (
        f"{sides[0]}{ours}{clock},{made};"
        f"{sides[1]}{theirs}{clock},{pristine};"
        f"{f'[d][r]{libvmaf(threads, every, also)}' if vmaf else '[r]nullsink;[d]null'}[s]"
        f"{beside.chains(also, rate) if also else ''}"
    )


def watch_filter(
    depth: int,
    video: Video,
    *,
    size: tuple[int, int] | None = None,
    every: int = 1,
    threads: int = 1,
    also: Sequence[str] = (),
    rate: float | None = None,
) -> str:
    """Score LOOPBACK against the ``video`` stream, frames 0, every, 2 every, ... alone.

    They get the values that they have among all: libvmaf is given these frames and their
    neighbours, which their motion needs. Other arguments are those of `score_filter`.
    """
    clock = f"settb=expr=1/{LOOPBACK_HERTZ},setpts=N"
    chosen = with_neighbours(every)
    apart = "" if size else "scale=flags=bicubic,"  # else what is digested would be converted, too
    made, pristine = (split.replace("]", "0]", 1) for split in _pads(also))
    ready = f"{apart}{compared(depth, size)}"
    return (
        f"[{LOOPBACK}]{clock},{made};[d0]{chosen}{ready}[d];"
        f"{video.of(0)}{clock},{pristine};[r0]{chosen}{ready}[r];"
        f"[d][r]{libvmaf(threads, min(every, 3), also)}[s]"
        f"{beside.chains(also, rate, f'{ready},') if also else ''}"
    )


def _pads(also: Sequence[str]) -> tuple[str, str]:
    return beside.pads(also) if also else beside.ALONE


def libvmaf(threads: int, every: int, also: Sequence[str]) -> str:
    """libvmaf's filter with v0.6.1 and the models among ``also``."""
    models = [VMAF.model, *(beside.models(also) if also else [])]
    named = "|".join(model.replace(":", "\\:") for model in dict.fromkeys(models))
    subsample = f":n_subsample={every}" if every > 1 else ""
    return (
        f"libvmaf=model='{named}':log_fmt=json:log_path={VMAF_LOG}"
        f":n_threads={threads}{subsample}:{beside.SYNC}"
    )


def on_cuda(graph: str) -> str:
    """A graph that scores on the card what libvmaf_cuda takes: VMAF v0.6.1 alone, in 8 bits.

    Another graph is given back as it is.
    """
    if "|" in graph or "10le" in graph:
        return graph
    card = "[d]hwupload_cuda[dc];[r]hwupload_cuda[rc];[dc][rc]libvmaf_cuda="
    return graph.replace("[d][r]libvmaf=", card)


def with_neighbours(every: int) -> str:
    """Frames 0, every, 2 every, ... and the one before and after each; of few apart all."""
    return f"select='lt(mod(n+1,{every}),3)',setpts=N," if every > 3 else ""


def chosen(frames: int, every: int) -> int:
    """How many of ``frames`` that leaves."""
    return frames if every <= 3 else sum((n + 1) % every < 3 for n in range(frames))


def compared(depth: int, size: tuple[int, int] | None) -> str:
    """The filters that bring a side to what is compared, without its colour tags.

    Where the tags of two sides differ, as of an encode that lost them, ffmpeg would convert one.
    """
    scale = f"scale={size[0]}:{size[1]}:flags=bicubic+accurate_rnd," if size else ""
    return f"{scale}format={'yuv420p' if depth == 8 else 'yuv420p10le'},{_UNTAGGED}"


def scaled(size: tuple[int, int]) -> str:
    """The filter that makes pictures smaller before they are encoded."""
    return f"scale={size[0]}:{size[1]}:flags=lanczos+accurate_rnd"


_UNTAGGED = "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown:range=unknown"


def keyed(graph: str) -> str:
    """``graph`` as measurements are keyed by it: without what changes no score of alike tags."""
    return graph.replace(f",{_UNTAGGED}", "")


def encode_and_score(
    ffmpeg: Path,
    source: Sequence[str],
    frames: int | None,
    options: Sequence[str],
    graph: str,
    span: Segment | None = None,
    *,
    video: Video = PLAIN,
) -> list[str]:
    """Encode, decode what was encoded and score it, with one decode of the source.

    The encode goes nowhere. ``graph`` is a `score_filter` of ``LOOPBACK`` against
    ``0:video``. Packets are those of
    `encode`, whose MP4 asks for global headers.
    """
    limit = [] if frames is None else ["-frames:v", str(frames)]
    limit += cut(span)
    return [
        *_start(ffmpeg),
        *source,
        *("-map", f"0:{video}", *limit, "-fps_mode", "passthrough"),
        *filtered(options, through(video, span)),
        *("-flags:v", "+global_header"),
        *("-stats_mux_pre", PACKET_LOG, "-stats_mux_pre_fmt", "{size} {pts}"),
        *("-f", "null", "-", *WITHOUT_GRAIN, "-dec", "0:0"),
        *("-filter_complex_threads", "1", "-filter_complex", graph),
        *("-map", "[s]", *_DISCARD),
        *_null("[dn]", DISTORTED_COUNT_LOG),
        *_null("[rn]", REFERENCE_COUNT_LOG),
    ]


def score(
    ffmpeg: Path,
    distorted: Sequence[str],
    reference: Sequence[str],
    graph: str,
) -> list[str]:
    """Score ``distorted`` against ``reference``, counting the frames of both."""
    words = [*_start(ffmpeg), *distorted, *reference]
    words += ["-filter_complex_threads", "1", "-filter_complex", graph, "-map", "[s]", *_DISCARD]
    return [*words, *_null("[dn]", DISTORTED_COUNT_LOG), *_null("[rn]", REFERENCE_COUNT_LOG)]


def count_lines(log: Path) -> int:
    """Lines of a log that ffmpeg wrote, one a frame or packet."""
    return log.read_bytes().count(b"\n") if log.is_file() else 0
