"""The delivered file: what is in it, and what happens to the name it is given."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vqcast.errors import InputError, LargerThanSource, ToolFailure
from vqcast.media.deliver import Delivered, Scoring, deliver, measure_delivered, plan
from vqcast.media.encoders import ENCODERS
from vqcast.media.measure import encode
from vqcast.media.run import Cancelled
from vqcast.media.source import Source, probe
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
SECONDS = 1.2

SUBTITLE = "1\n00:00:00,200 --> 00:00:00,900\nHello\n"
CHAPTERS = """;FFMETADATA1
title=A film
[CHAPTER]
TIMEBASE=1/1000
START=0
END=500
title=One
[CHAPTER]
TIMEBASE=1/1000
START=500
END=1200
title=Two
"""


@pytest.fixture(scope="module")
def rich(ffmpeg: Ffmpeg, clips: Path) -> Path:
    """Two sounds in two languages, a forced subtitle, chapters and a title."""
    (clips / "text.srt").write_text(SUBTITLE)
    (clips / "chapters.txt").write_text(CHAPTERS)
    sine = f"sine=d={SECONDS}:r=48000"
    return ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={SECONDS},format=yuv420p"),
        *("-f", "lavfi", "-i", sine, "-f", "lavfi", "-i", sine),
        *("-i", clips / "text.srt", "-i", clips / "chapters.txt"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3"),
        *("-map_metadata", "4", "-map_chapters", "4", "-c:v", "libx264", "-crf", "15"),
        *("-c:a", "aac", "-c:s", "subrip", "-metadata:s:a:0", "language=deu"),
        *("-metadata:s:a:1", "language=fra", "-metadata:s:s:0", "language=eng"),
        *("-disposition:a:0", "default", "-disposition:a:1", "comment"),
        *("-disposition:s:0", "forced", clips / "rich.mkv"),
    )


def _deliver(
    source: Source,
    encoder: str,
    preset: str,
    cq: float,
    tool: Tool,
    output: Path,
    *,
    overwrite: bool = False,
    **asked: Any,
) -> Delivered:
    planned = plan(source, ENCODERS[encoder], output, tool, overwrite=overwrite)
    return deliver(source, planned, preset, cq, tool, **asked)


def _sound(path: Path, number: int) -> list[bytes]:
    with av.open(str(path)) as opened:
        return [bytes(packet) for packet in opened.demux(audio=number) if packet.size]


@pytest.mark.parametrize(("suffix", "text"), [(".mkv", "subrip"), (".mp4", "mov_text")])
def test_everything_beside_the_pictures_goes_with_them(
    suffix: str, text: str, rich: Path, tmp_path: Path, tool: Tool
) -> None:
    source = probe(rich, tool)
    made = _deliver(source, "libx264", "ultrafast", 30, tool, tmp_path / f"made{suffix}")
    assert made.path == tmp_path / f"made{suffix}"
    assert (made.frames, {each.fate for each in made.fates} & {"left out"}) == (30, set())
    assert made.bytes == made.path.stat().st_size > made.video_bytes > 0
    assert sorted(os.listdir(tmp_path)) == [made.path.name, "tmp"]
    for number in (0, 1):
        assert _sound(made.path, number) == _sound(rich, number)
    with av.open(str(made.path)) as opened:
        sounds, subtitles = opened.streams.audio, opened.streams.subtitles
        assert [stream.language for stream in (*sounds, *subtitles)] == ["deu", "fra", "eng"]
        assert sounds[1].disposition & av.stream.Disposition.comment
        assert subtitles[0].disposition & av.stream.Disposition.forced
        assert subtitles[0].codec_context.codec.canonical_name == text
        assert opened.metadata["title"] == "A film"
        assert [chapter["metadata"]["title"] for chapter in opened.chapters()] == ["One", "Two"]
    assert measure_delivered(source, made, tool).frames == 30


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_lines_of_a_film_that_starts_late_stay_at_their_pictures(
    suffix: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    (tmp_path / "text.srt").write_text(SUBTITLE)
    film = ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={SECONDS},format=yuv420p"),
        *("-i", tmp_path / "text.srt", "-map", "0", "-map", "1", "-c:v", "libx264"),
        *("-c:s", "mov_text", "-output_ts_offset", "5", tmp_path / "film.mp4"),
    )
    made = _deliver(probe(film, tool), "libx264", "ultrafast", 30, tool, tmp_path / f"made{suffix}")
    for path in (film, made.path):
        with av.open(str(path)) as opened:
            packets = [p for p in opened.demux(subtitles=0) if p.size > 2]
            shown = [float(p.pts * p.time_base) - (opened.start_time or 0) / 1e6 for p in packets]
        assert shown == [pytest.approx(0.2, abs=0.01)]


def test_quicktime_keeps_what_it_has_another_word_for(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    """Languages by their other code, silence in PCM, which it gives no times; the rest is told."""
    sine = f"sine=d={SECONDS}:r=48000,aselect='not(between(t,0.4,0.7))'"
    film = ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25:d={SECONDS},format=yuv420p"),
        *("-f", "lavfi", "-i", sine, "-map", "0", "-map", "1", "-map", "1"),
        *("-c:v", "libx264", "-crf", "15", "-c:a", "pcm_s24le"),
        *("-metadata:s:a:0", "language=fre", "-metadata:s:a:1", "language=hrv"),
        tmp_path / "film.mkv",
    )
    source = probe(film, tool)
    planned = plan(source, ENCODERS["libx264"], tmp_path / "made.mov", tool)
    assert planned.carriage.notes() == [
        "the language of stream 2, hrv, is left out: mov has no code for it"
    ]
    made = deliver(source, planned, "ultrafast", 30, tool)
    assert [each.written_as for each in made.fates[1:]] == ["pcm_s24le"] * 2
    with av.open(str(film)) as before, av.open(str(made.path)) as after:
        assert [stream.metadata.get("language") for stream in after.streams.audio] == ["fra", None]
        ends = [
            max(float((packet.pts + packet.duration) * packet.time_base) for packet in packets)
            for packets in ([p for p in f.demux(audio=0) if p.size] for f in (before, after))
        ]
    assert abs(ends[0] - ends[1]) < 0.01 and ends[1] > SECONDS - 0.1
    start = b"".join(_sound(film, 0))[: 3 * 19_000]
    assert b"".join(_sound(made.path, 0)).startswith(start)


@pytest.mark.parametrize(
    ("encoder", "preset", "suffix"),
    [
        ("libx265", "ultrafast", ".mp4"),
        ("libsvtav1", "12", ".webm"),
        ("libvpx-vp9", "8", ".webm"),
        ("libvvenc", "faster", ".mkv"),
    ],
)
def test_every_encoder_s_pictures_are_those_of_its_probe(
    encoder: str, preset: str, suffix: str, pattern_source: Source, tmp_path: Path, tool: Tool
) -> None:
    made = _deliver(pattern_source, encoder, preset, 40, tool, tmp_path / f"made{suffix}")
    probed = encode(pattern_source, encoder, preset, 40, tool, tmp_path / "probe.mp4")
    ours, theirs = probe(made.path, tool).index, probe(probed.path, tool).index
    assert ours is not None
    assert theirs is not None
    assert np.array_equal(ours.digests, theirs.digests)


@pytest.mark.parametrize(
    ("encoder", "preset", "suffix"),
    [
        ("libx264", "veryfast", ".mp4"),
        ("libx265", "superfast", ".mkv"),
        ("libsvtav1", "12", ".webm"),
        ("libaom-av1", "8", ".mkv"),
        ("libvpx-vp9", "8", ".webm"),
        ("libvvenc", "faster", ".mkv"),
    ],
)
@pytest.mark.parametrize("every", [1, 11])
def test_a_score_while_it_is_made_is_the_file_s(
    encoder: str,
    preset: str,
    suffix: str,
    every: int,
    ffmpeg: Ffmpeg,
    tmp_path: Path,
    tool: Tool,
) -> None:
    """Frames 0, every, 2 every, ... have the values that they have among all, motion included."""
    graph = "testsrc2=s=192x144:r=30:d=1.5,format=yuv420p"
    film = ffmpeg("-f", "lavfi", "-i", graph, "-c:v", "ffv1", tmp_path / "film.mkv")
    source = probe(film, tool)
    made = _deliver(
        *(source, encoder, preset, 40, tool, tmp_path / f"made{suffix}"),
        scoring=Scoring(every=every), threads=Threads(encoder=2),
    )  # fmt: skip
    whole = measure_delivered(source, made, tool)
    assert made.scores is not None
    assert made.scores.columns.keys() == whole.columns.keys()
    for name, values in whole.columns.items():
        assert made.scores.columns[name] == pytest.approx(values[::every], abs=1e-5), name


def test_progress_rises_and_is_of_frames(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    graph = "testsrc2=s=320x240:r=25:d=2,format=yuv420p"
    path = ffmpeg("-f", "lavfi", "-i", graph, "-c:v", "ffv1", tmp_path / "a.mkv")
    seen: list[int] = []
    _deliver(
        *(probe(path, tool), "libx264", "slower", 20, tool, tmp_path / "made.mkv"),
        on_progress=seen.append,
    )
    assert seen == sorted(seen)
    assert 0 < max(seen) <= 50


def test_a_file_that_is_there_is_kept_unless_told(
    pattern_source: Source, tmp_path: Path, tool: Tool
) -> None:
    output = tmp_path / "made.mkv"
    output.write_bytes(b"precious")
    with pytest.raises(InputError, match="already exists"):
        _deliver(pattern_source, "libx264", "ultrafast", 30, tool, output)
    assert output.read_bytes() == b"precious"
    _deliver(pattern_source, "libx264", "ultrafast", 30, tool, output, overwrite=True)
    assert probe(output, tool).frames == 8


def test_it_never_writes_over_its_input(pattern: Path, tmp_path: Path, tool: Tool) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(pattern.read_bytes())
    link = tmp_path / "hard.mkv"
    link.hardlink_to(path)
    source = probe(path, tool)
    for output in (path, link):
        with pytest.raises(InputError, match="is the source itself"):
            _deliver(source, "libx264", "ultrafast", 30, tool, output, overwrite=True)
    assert path.read_bytes() == pattern.read_bytes()


@pytest.mark.parametrize(
    ("name", "words"), [("absent/a.mkv", "folder does not exist"), ("a.avi", "no container")]
)
def test_an_output_that_can_t_be_is_refused_before_any_work(
    name: str, words: str, pattern_source: Source, tmp_path: Path, tool: Tool
) -> None:
    with pytest.raises(InputError, match=words):
        plan(pattern_source, ENCODERS["libx264"], tmp_path / name, tool)


def test_a_failure_leaves_nothing_behind(
    pattern_source: Source, tmp_path: Path, tool: Tool
) -> None:
    index = pattern_source.index
    assert index is not None
    off = dataclasses.replace(index, times_us=index.times_us * np.array([1] * 7 + [2]))
    output = tmp_path / "made.mkv"
    with pytest.raises(ToolFailure, match=r"frame 7 comes -280\.0 ms off"):
        _deliver(
            *(dataclasses.replace(pattern_source, index=off), "libx264", "ultrafast", 30),
            *(tool, output),
        )
    assert os.listdir(tmp_path) == ["tmp"]


def test_cancelling_leaves_nothing_behind(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    graph = "testsrc2=s=320x240:r=25:d=8,format=yuv420p"
    path = ffmpeg("-f", "lavfi", "-i", graph, "-c:v", "libx264", "-qp", "0", tmp_path / "a.mkv")
    cancel = threading.Event()
    source = probe(path, tool)
    with pytest.raises(Cancelled):
        _deliver(
            *(source, "libx264", "veryslow", 20, tool, tmp_path / "made.mkv"),
            cancel=cancel,
            on_progress=lambda _: cancel.set(),
        )
    assert sorted(os.listdir(tmp_path)) == ["a.mkv", "tmp"]


def test_what_grew_is_not_written(pattern_source: Source, tmp_path: Path, tool: Tool) -> None:
    with pytest.raises(LargerThanSource, match="of the source's 100") as refused:
        _deliver(
            pattern_source, "libx264", "ultrafast", 10, tool, tmp_path / "a.mkv", most_bytes=100
        )
    assert refused.value.exit_status == 4 and "--allow-larger" in str(refused.value.hint)
    assert os.listdir(tmp_path) == ["tmp"]


def test_every_software_encoder_has_a_container() -> None:
    made = {entry.codec.name for entry in ENCODERS.values()}
    assert made == {"h264", "hevc", "av1", "vp9", "vvc"}
