"""Videos that are none, and names that mean something to ffmpeg: refused, or just read.

Every refusal is a VqcastError of the right class in one sentence, and every
test ends with an empty temporary folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vqcast.errors import InputError, MediaError, ToolFailure
from vqcast.media.filters import Filters
from vqcast.media.measure import encode, score
from vqcast.media.source import Intake, Source, probe
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]


def _drawn(ffmpeg: Ffmpeg, path: Path, graph: str, *options: object) -> Path:
    return ffmpeg("-f", "lavfi", "-i", graph, "-frames:v", "4", *options, path)


def _odd(folder: Path, ffmpeg: Ffmpeg, _: Path) -> Path:
    graph = "testsrc2=s=128x96,scale=127:95"
    return _drawn(ffmpeg, folder / "a.mkv", graph, "-pix_fmt", "yuv444p", "-c:v", "ffv1")


def _too_small(folder: Path, ffmpeg: Ffmpeg, _: Path) -> Path:
    return _drawn(ffmpeg, folder / "a.mkv", "testsrc2=s=14x64", "-c:v", "ffv1")


def _interlaced(folder: Path, ffmpeg: Ffmpeg, _: Path) -> Path:
    weave = ("-vf", "tinterlace=interleave_top,format=yuv420p", "-x264-params", "interlaced=1")
    return _drawn(ffmpeg, folder / "a.mp4", "testsrc2=s=128x96:r=12", "-c:v", "libx264", *weave)


def _interlaced_y4m(folder: Path, ffmpeg: Ffmpeg, _: Path) -> Path:
    graph = "testsrc2=s=128x96:r=12,tinterlace=interleave_bottom,format=yuv420p,setfield=bff"
    return _drawn(ffmpeg, folder / "a.y4m", graph)


def _audio_only(folder: Path, ffmpeg: Ffmpeg, _: Path) -> Path:
    return ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", folder / "a.mp4")


def _no_frames(folder: Path, ffmpeg: Ffmpeg, pattern: Path) -> Path:
    return ffmpeg("-i", pattern, "-frames:v", "0", "-c:v", "ffv1", folder / "a.mkv")


def _bytes(name: str, data: bytes) -> Callable[[Path, Ffmpeg, Path], Path]:
    def make(folder: Path, _: Ffmpeg, pattern: Path) -> Path:
        (folder / "pattern.mkv").write_bytes(pattern.read_bytes())
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def _part(start: int, share: float) -> Callable[[Path, Ffmpeg, Path], Path]:
    def make(folder: Path, _: Ffmpeg, pattern: Path) -> Path:
        data = pattern.read_bytes()
        path = folder / "a.mkv"
        path.write_bytes(data[start : int(len(data) * share)])
        return path

    return make


def _truncated_mp4(folder: Path, ffmpeg: Ffmpeg, pattern: Path) -> Path:
    whole = ffmpeg("-i", pattern, "-c:v", "libx264", folder / "whole.mp4")
    path = folder / "a.mp4"
    path.write_bytes(whole.read_bytes()[:-500])
    return path


def _truncated_fast_start_mp4(folder: Path, ffmpeg: Ffmpeg, pattern: Path) -> Path:
    whole = ffmpeg(
        "-i", pattern, "-c:v", "libx264", "-movflags", "+faststart", folder / "whole.mp4"
    )
    path = folder / "a.mp4"
    path.write_bytes(whole.read_bytes()[:-1500])
    return path


def _overwritten_middle(folder: Path, ffmpeg: Ffmpeg, pattern: Path) -> Path:
    data = bytearray(pattern.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = b"\xa5" * 64
    path = folder / "a.mkv"
    path.write_bytes(data)
    return path


def _folder(folder: Path, _: Ffmpeg, __: Path) -> Path:
    return folder


def _missing(folder: Path, _: Ffmpeg, __: Path) -> Path:
    return folder / "absent.mkv"


def _below_a_file(folder: Path, _: Ffmpeg, pattern: Path) -> Path:
    return pattern / "a.mkv"


def _too_long(folder: Path, _: Ffmpeg, __: Path) -> Path:
    return folder / ("x" * 300)


def _nul(folder: Path, _: Ffmpeg, __: Path) -> Path:
    return folder / "a\0b.mkv"


def _fifo(folder: Path, _: Ffmpeg, __: Path) -> Path:
    os.mkfifo(folder / "fifo.mkv")
    return folder / "fifo.mkv"


def _dangling(folder: Path, _: Ffmpeg, __: Path) -> Path:
    (folder / "link.mkv").symlink_to(folder / "absent")
    return folder / "link.mkv"


def _device(folder: Path, _: Ffmpeg, __: Path) -> Path:
    return Path("/dev/zero")


HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\npattern.mkv\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile pattern.mkv\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
DASH = b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>'

DAMAGED: dict[str, Callable[[Path, Ffmpeg, Path], Path]] = {
    "half a mkv": _part(0, 0.5),
    "a mkv less its end": _part(0, 0.97),
    "a fast-start mp4 less its end": _truncated_fast_start_mp4,
    "a mkv overwritten inside": _overwritten_middle,
}

REFUSED = [
    ("odd size", _odd, MediaError, "127x95 can't be encoded"),
    ("too small", _too_small, MediaError, "14x64 can't be scored"),
    ("interlaced", _interlaced, MediaError, "is interlaced"),
    ("interlaced y4m", _interlaced_y4m, MediaError, "is interlaced"),
    ("audio only", _audio_only, MediaError, "no video stream"),
    ("header without frames", _no_frames, MediaError, ""),
    ("zero bytes", _bytes("a.mkv", b""), MediaError, "is empty"),
    ("text", _bytes("a.mkv", b"hello world\n" * 100), MediaError, "not a video"),
    ("NUL bytes", _bytes("a.mp4", bytes(5000)), MediaError, "not a video"),
    ("random bytes", _bytes("a.y4m", bytes(range(256)) * 20), MediaError, "not a video"),
    ("y4m header alone", _bytes("a.y4m", b"YUV4MPEG2 W128 H96 F25:1 C420\n"), MediaError, ""),
    ("a mkv less its start", _part(100, 1.0), MediaError, ""),
    ("an mp4 less its end", _truncated_mp4, MediaError, ""),
    ("HLS as mkv", _bytes("a.mkv", HLS), MediaError, "not a video"),
    ("HLS", _bytes("a.m3u8", HLS), MediaError, "not a video"),
    ("ffconcat as mkv", _bytes("a.mkv", CONCAT), MediaError, "not a video"),
    ("ffconcat", _bytes("a.ffconcat", CONCAT), MediaError, "not a video"),
    ("SDP", _bytes("a.sdp", SDP), MediaError, "not a video"),
    ("DASH", _bytes("a.mpd", DASH), MediaError, "not a video"),
    ("folder", _folder, InputError, "is a folder"),
    ("missing", _missing, InputError, "no such file"),
    ("below a file", _below_a_file, InputError, "no such file"),
    ("name too long", _too_long, InputError, "too long"),
    ("NUL in the name", _nul, InputError, "no such file"),
    ("FIFO", _fifo, InputError, "not a regular file"),
    ("dangling link", _dangling, InputError, "no such file"),
    ("device", _device, InputError, "not a regular file"),
]


@pytest.mark.parametrize(
    ("make", "error", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_no_whole_video_is_refused(
    make: Callable[[Path, Ffmpeg, Path], Path],
    error: type[InputError],
    words: str,
    tmp_path: Path,
    pattern: Path,
    ffmpeg: Ffmpeg,
    tool: Tool,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = make(folder, ffmpeg, pattern)
    before = sorted(folder.iterdir())
    with pytest.raises(InputError) as refused:
        probe(path, tool, intake=Intake(filters=Filters(deinterlace="no")))
    assert type(refused.value) is error
    assert words in refused.value.message
    assert str(path) in refused.value.message
    assert "\n" not in refused.value.message
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("case", DAMAGED)
def test_of_a_damaged_video_what_decodes_is_used_and_the_damage_is_told(
    case: str, tmp_path: Path, pattern: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    path = DAMAGED[case](tmp_path, ffmpeg, pattern)
    source = probe(path, tool)
    assert 0 < source.frames <= 8
    assert source.damage is not None and source.damage.said
    assert any("is damaged" in note for note in source.notes)
    with pytest.raises(MediaError, match="damage is refused") as refused:
        probe(path, tool, intake=Intake(refuse_damage=True))
    assert "--on-damage" in str(refused.value.hint)


@pytest.mark.parametrize("case", ["text", "HLS as mkv", "missing", "zero bytes"])
def test_a_distorted_side_that_is_no_whole_video_is_refused(
    case: str,
    tmp_path: Path,
    pattern: Path,
    pattern_source: Source,
    ffmpeg: Ffmpeg,
    tool: Tool,
) -> None:
    make = next(entry[1] for entry in REFUSED if entry[0] == case)
    with pytest.raises((MediaError, ToolFailure)) as refused:
        score(pattern_source, make(tmp_path, ffmpeg, pattern), tool, depth=8)
    assert "against pattern" in refused.value.message
    assert "\n" not in refused.value.message


def test_a_clip_whose_size_changes_half_way_is_refused(
    tmp_path: Path, ffmpeg: Ffmpeg, tool: Tool
) -> None:
    pieces = b""
    for size in ("128x96", "160x112"):
        options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "h264")
        pieces += _drawn(
            ffmpeg, tmp_path / f"{size}.h264", f"testsrc2=s={size}", *options
        ).read_bytes()
    path = tmp_path / "both.h264"
    path.write_bytes(pieces)
    with pytest.raises((MediaError, ToolFailure)):
        score(probe(path, tool), path, tool, depth=8)


NAMES = [
    b"-i.mkv",
    b"-y",
    b"a:b.mkv",
    b"concat:pattern.mkv",
    b"pipe:0",
    b"http:__x.mkv",
    b"file:file.mkv",
    b"a,b.mkv",
    b"it's.mkv",
    b'"quoted".mkv',
    b"a%03d.mkv",
    b"%s%n.mkv",
    b"two words .mkv",
    b"new\nline.mkv",
    b"tab\tand\rreturn.mkv",
    b"back\\slash.mkv",
    b"[s];nullsink;[x].mkv",
    b"$(touch x)`touch y`.mkv",
    b"a;b&c|d>e<f*g?h~.mkv",
    b"?query=1#hash.mkv",
    "\u00fcn\u00ef-\u6f22\u5b57-\U0001f600.mkv".encode(),
    "\u202egnp.mkv".encode(),
    b"bad\xff\xfeutf8.mkv",
    b"x" * 255,
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:24]))
def test_a_name_is_only_a_name(name: bytes, tmp_path: Path, pattern: Path, tool: Tool) -> None:
    """It is probed, encoded into a folder of that name, and scored from under that name."""
    folder = tmp_path / "names"
    folder.mkdir()
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    path.write_bytes(pattern.read_bytes())
    before = sorted(os.listdir(os.fsencode(folder)))
    source = probe(path, tool)
    assert source.frames == 8
    output = Path(os.fsdecode(os.fsencode(tmp_path / "out") + b"/" + name)) / "e.mp4"
    output.parent.mkdir(parents=True)
    encoded = encode(source, "libx264", "ultrafast", 40, tool, output)
    scores = score(source, encoded.path, tool, depth=8)
    assert 20 < scores.columns["vmaf"].mean() < 90
    assert sorted(os.listdir(os.fsencode(folder))) == before


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:24]))
def test_the_distorted_side_s_name_is_only_a_name(
    name: bytes,
    tmp_path: Path,
    pattern_source: Source,
    blurred: Path,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.write_bytes(blurred.read_bytes())
    monkeypatch.chdir(tmp_path)
    scores = score(pattern_source, Path(os.fsdecode(name)), tool, depth=8)
    assert scores.columns["vmaf"][0] == pytest.approx(39.975132, abs=1e-3)
