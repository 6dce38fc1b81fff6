"""A long title in parts: where it is cut, and that what is joined is what was made and scored."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.errors import LargerThanSource
from vqcast.media.decode import decode, decode_made
from vqcast.media.deliver import Delivered, deliver, measure_delivered, plan
from vqcast.media.encoders import ENCODERS
from vqcast.media.filters import Filters
from vqcast.media.in_parts import Scoring, Work, make
from vqcast.media.inputs import Video
from vqcast.media.join import join
from vqcast.media.measure import score
from vqcast.media.packets import PacketTable
from vqcast.media.parts import AT_ONCE, Parts, TitlePart, cut, picture_bytes, schedule
from vqcast.media.run import Cancelled
from vqcast.media.source import Intake, Source, probe
from vqcast.media.threads import plan as plan_threads
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
X264 = ENCODERS["libx264"]
EVERY = 7


def _drawn(ffmpeg: Ffmpeg, output: Path, *words: object, seconds: float = 6.2) -> Path:
    moving = f"testsrc2=s=96x64:r=25:d={seconds},format=yuv420p"
    return ffmpeg("-f", "lavfi", "-i", moving, *words, output)


@pytest.fixture(scope="module")
def title(ffmpeg: Ffmpeg, clips: Path) -> Path:
    """155 frames with B-frames, a key frame a second."""
    return _drawn(ffmpeg, clips / "title.mkv", "-c:v", "libx264", "-g", "25", "-crf", "12")


@pytest.fixture(scope="module")
def source(title: Path, tool: Tool) -> Source:
    return probe(title, tool)


def _deliver(
    source: Source, tool: Tool, output: Path, folder: Path, encoder: str = "libx264",
    preset: str = "ultrafast", cq: float = 30, length_s: float = 1.6, **asked: Any,
) -> Delivered:  # fmt: skip
    planned = plan(source, ENCODERS[encoder], output, tool)
    parts = Parts(folder, length_s=length_s)
    asked.setdefault("threads", plan_threads(2, 1))
    return deliver(source, planned, preset, cq, tool, parts=parts, **asked)


def _first_s(path: Path, kind: str) -> float:
    with av.open(str(path)) as opened:
        packets = opened.demux(**{kind: 0})
        return min(float(each.pts * each.time_base) for each in packets if each.size)


def test_a_title_is_cut_at_its_own_key_frames(source: Source) -> None:
    parts = cut(source, X264, 1.6)
    assert [part.start for part in parts] == [0, 50, 75, 125]
    assert [part.start + part.frames for part in parts] == [50, 75, 125, 155]


def test_ten_hours_of_key_frames_are_cut_in_little_memory(source: Source) -> None:
    frames = 900_000
    times, keys = np.arange(frames) * 40_000, np.ones(frames, bool)
    table = PacketTable(times, np.full(frames, 100), keys, indexed=True, sound=True)
    long = replace(source, frames=frames, packets=table)
    tracemalloc.start()
    parts = cut(long, X264)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {part.frames for part in parts} == {500} and len(parts) == 1800
    assert most < 100e6  # keys times cuts would be 13 GB


def test_pictures_of_parts_are_counted_before_they_are_written(
    source: Source, tmp_path: Path, tool: Tool, private_tmp: Path
) -> None:
    cuts, seen = cut(source, X264, 1.6), [0]

    def look(_: int) -> None:
        seen.append(sum(path.stat().st_size for path in private_tmp.rglob("*.yuv")))

    work = Work(source, X264, "placebo", 20, tool, Parts(tmp_path), Scoring(every=EVERY))
    make(work, cuts, 2, on_progress=look)
    most = picture_bytes(cuts, 2, EVERY, 96 * 64 * 3 // 2)
    assert 0 < max(seen) <= most == 2 * 22 * 96 * 64 * 3 // 2


@pytest.mark.parametrize(
    "change",
    [
        lambda source: replace(source, packets=None),
        lambda source: replace(source, video=Video("v:0", "bwdif", reach=1)),
        lambda source: replace(source, packets=replace(source.packets, indexed=False)),
        lambda source: replace(source, packets=replace(source.packets, keys=np.arange(155) == 0)),
    ],
)
def test_without_key_frames_that_are_known_it_is_not_cut(
    source: Source, change: Callable[[Source], Source]
) -> None:
    assert cut(change(source), X264, 1.6) == (TitlePart(0, 155),)


@pytest.mark.parametrize("encoder", ["hevc_nvenc", "libvvenc"])
def test_neither_by_hardware_nor_in_vvc_nor_when_short(encoder: str, source: Source) -> None:
    assert cut(source, ENCODERS[encoder], 1.6) == (TitlePart(0, 155),)
    assert cut(source, X264, 3.2) == (TitlePart(0, 155),)


@given(lengths=st.lists(st.integers(1, 900), min_size=1, max_size=40), cores=st.integers(1, 64))
def test_the_machine_is_filled_and_not_more(lengths: list[int], cores: int) -> None:
    starts = np.cumsum([0, *lengths])
    parts = [TitlePart(int(start), frames) for start, frames in zip(starts, lengths, strict=False)]
    planned = schedule(parts, cores)
    assert sorted(part.start for part, _ in planned) == [part.start for part in parts]
    assert all(ours.frames >= theirs.frames for (ours, _), (theirs, _) in pairwise(planned))
    for _, threads in planned:
        assert 1 <= threads.at_once <= AT_ONCE
        assert threads.at_once * max(threads.encoder, threads.score, threads.decoder) <= cores
    rest = len(parts) % planned[0][1].at_once
    assert len({threads for _, threads in planned[: len(planned) - rest]}) <= 1


@pytest.mark.parametrize(
    ("encoder", "preset", "suffix", "words"),
    [
        ("libx264", "ultrafast", ".mp4", ("-c:v", "libx265", "-g", "25", "-crf", "12")),
        ("libx264", "medium", ".mkv", ("-c:v", "libx264", "-g", "25")),
        ("libx265", "ultrafast", ".mov", ("-c:v", "ffv1", "-g", "1")),
        ("libsvtav1", "12", ".webm", ("-c:v", "libvpx-vp9", "-g", "25", "-cpu-used", "8")),
        ("libaom-av1", "8", ".mp4", ("-c:v", "libx264", "-g", "25")),
        ("libvpx-vp9", "8", ".webm", ("-c:v", "libx264", "-g", "25")),
    ],
)
def test_joined_parts_decode_to_what_was_made_and_scored(
    encoder: str, preset: str, suffix: str, words: tuple[object, ...],
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool,
) -> None:  # fmt: skip
    name = "in.mkv" if "ffv1" in words or "libvpx-vp9" in words else "in.mp4"
    source = probe(_drawn(ffmpeg, tmp_path / name, *words, "-threads", "1"), tool)
    folder, output = tmp_path / "parts", tmp_path / f"out{suffix}"
    asked = {"encoder": encoder, "preset": preset, "cq": 35, "scoring": Scoring(every=EVERY)}
    work = Work(source, ENCODERS[encoder], preset, 35, tool, Parts(folder), asked["scoring"])
    made = make(work, cut(source, ENCODERS[encoder], 1.6), 2)
    assert len(made) == 4
    apart = np.concatenate([decode_made(each.path, tool).digests for each in made])
    delivered = _deliver(source, tool, output, folder, **asked)
    assert (delivered.parts, delivered.reused, delivered.frames) == (4, 4, 155)
    index = decode_made(output, tool)
    assert np.array_equal(index.digests, apart)
    assert source.index is not None
    assert np.abs(index.times_us - source.index.times_us).max() <= 2000
    assert delivered.video_bytes == sum(each.bytes for each in made)
    whole = measure_delivered(source, delivered, tool).columns["vmaf"]
    places = [
        part.start + n
        for part in (each.part for each in made)
        for n in range(0, part.frames, EVERY)
        if (n or not part.start) and (n < part.frames - 1 or part.start + n == 154)
    ]
    assert delivered.scores is not None
    assert np.abs(delivered.scores.columns["vmaf"] - whole[places]).max() < 1e-6


def test_parts_go_through_filters_that_see_one_picture_each(
    title: Path, tmp_path: Path, tool: Tool
) -> None:
    intake = Intake(filters=Filters(crop="64:48:16:8", scale="96:72"))
    source, output = probe(title, tool, intake=intake), tmp_path / "out.mkv"
    made = _deliver(source, tool, output, tmp_path / "parts", scoring=Scoring(every=EVERY))
    assert made.parts == 4
    with av.open(str(output)) as opened:
        assert (opened.streams.video[0].width, opened.streams.video[0].height) == (96, 72)
    whole = measure_delivered(source, made, tool).columns["vmaf"]
    assert made.scores is not None
    inside = made.scores.columns["vmaf"][:7]  # of the first part: frames 0, 7, ... 42
    assert np.abs(inside - whole[:43:EVERY]).max() < 1e-6


def test_uneven_times_are_kept(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    uneven = "setpts='N/25/TB+0.011*mod(N*N,3)/TB'"
    words = ("-vf", uneven, "-fps_mode", "passthrough", "-c:v", "libx264", "-g", "25", "-bf", "0")
    source = probe(_drawn(ffmpeg, tmp_path / "uneven.mkv", *words), tool)
    assert not source.steady
    made = _deliver(source, tool, tmp_path / "out.mkv", tmp_path / "parts")
    assert made.parts == 4
    assert source.index is not None
    moved = decode_made(made.path, tool).times_us - source.index.times_us
    assert np.abs(moved - np.median(moved)).max() <= 1000


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_what_goes_with_the_pictures_lies_beside_them(
    suffix: str, title: Path, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    (tmp_path / "chapters.txt").write_text(
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
    )
    film = ffmpeg(
        *("-f", "lavfi", "-i", "sine=d=7", "-itsoffset", "0.4", "-i", title),
        *("-i", tmp_path / "chapters.txt", "-map", "0", "-map", "1", "-map_metadata", "2"),
        *("-c:v", "copy", "-c:a", "aac", "-metadata:s:a:0", "language=deu"),
        *("-metadata:s:v:0", "language=fin", "-disposition:v:0", "default+original"),
        tmp_path / "film.mkv",
    )
    source, output = probe(film, tool), tmp_path / f"out{suffix}"
    made = _deliver(source, tool, output, tmp_path / "parts", scoring=Scoring(every=EVERY))
    assert (made.parts, {each.fate for each in made.fates}) == (4, {"encoded", "copied"})
    assert made.scores is not None
    starts = []
    for path in (film, output):
        with av.open(str(path)) as opened:
            video, sound = opened.streams.video[0], opened.streams.audio[0]
            late = [_first_s(path, kind) for kind in ("video", "audio")]
            starts.append(late[0] - late[1])
            assert (video.language, sound.language) == ("fin", "deu")
            if suffix == ".mkv":
                assert video.disposition & av.stream.Disposition.original
            assert [each["metadata"]["title"] for each in opened.chapters()] == ["One"]
            assert opened.metadata["title"] == "A film"
    assert abs(starts[0] - starts[1]) < 0.03
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == suffix) == sorted(
        {f"out{suffix}"} | ({"film.mkv"} if suffix == ".mkv" else set())
    )


def test_an_ended_encode_goes_on_from_its_finished_parts(
    source: Source, tmp_path: Path, tool: Tool
) -> None:
    whole = _deliver(source, tool, tmp_path / "whole.mkv", tmp_path / "whole").path.read_bytes()
    folder, output, cancel = tmp_path / "parts", tmp_path / "out.mkv", threading.Event()

    def end(frames: int) -> None:
        if len(list(folder.glob("*.json"))) >= 2:
            cancel.set()

    with pytest.raises(Cancelled):
        _deliver(source, tool, output, folder, preset="placebo", cancel=cancel, on_progress=end)
    assert not output.exists()
    kept = len(list(folder.glob("*.json")))
    seen: list[int] = []
    again = _deliver(source, tool, output, folder, preset="placebo", on_progress=seen.append)
    assert 2 <= kept == again.reused < again.parts == 4
    assert seen[0] >= 50
    assert list(folder.iterdir()) == []
    assert decode(output, tool).said == ""
    other = _deliver(source, tool, tmp_path / "other.mkv", folder)
    assert (other.reused, other.path.read_bytes()) == (0, whole)


@pytest.mark.parametrize(
    ("encoder", "preset"), [("libx264", "ultrafast"), ("libx265", "ultrafast")]
)
def test_parts_that_were_made_on_other_threads_join(
    encoder: str, preset: str, source: Source, tmp_path: Path, tool: Tool
) -> None:
    entry = ENCODERS[encoder]
    cuts = cut(source, entry, 1.6)
    work = Work(source, entry, "ultrafast", 30, tool, Parts(tmp_path / "parts"))
    one, two = make(work, cuts[:2], 1), make(work, cuts[2:], 2)
    folder = tmp_path / "mux"
    folder.mkdir()
    output = tmp_path / "out.mkv"
    join(source, [*one, *two], [], "matroska", output, tool, folder, "joined")
    apart = np.concatenate([decode_made(each.path, tool).digests for each in (*one, *two)])
    assert np.array_equal(decode_made(output, tool).digests, apart)


def _colours(path: Path) -> list[tuple[int, ...]]:
    with av.open(str(path)) as opened:
        return [
            (int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace))
            for frame in opened.decode(video=0)
        ]


def test_where_colour_tags_change_on_the_way_parts_have_the_first_ones(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    tags = ("bt709", "smpte170m")
    halves = [
        _drawn(
            ffmpeg, tmp_path / f"{tag}.mkv", "-c:v", "libx264", "-g", "25", "-vf",
            f"setparams=color_primaries={tag}:color_trc={tag}:colorspace={tag}", seconds=3,
        )
        for tag in tags
    ]  # fmt: skip
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"file '{half}'\n" for half in halves))
    film = ffmpeg("-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", tmp_path / "film.mkv")
    source = probe(film, tool)
    asked = {"encoder": "libsvtav1", "preset": "12", "cq": 40, "scoring": Scoring(every=7)}
    made = _deliver(source, tool, tmp_path / "out.mkv", tmp_path / "parts", **asked)
    assert (made.parts, made.frames) == (4, source.frames)
    first, *_, last = _colours(film)
    assert first != last
    assert set(_colours(made.path)) == {first}
    assert made.scores is not None
    inside = made.scores.columns["vmaf"][:4]  # colours of a tagged film are not converted
    whole = measure_delivered(source, made, tool).columns["vmaf"]
    assert np.abs(inside - whole[:28:7]).max() < 1e-6


@pytest.mark.parametrize(
    ("colours", "encoder", "preset"),
    [("pc", "libx264", "ultrafast"), ("pc", "libsvtav1", "12"), ("tv", "libx264", "ultrafast")],
)
def test_colours_are_compared_as_they_are(
    colours: str, encoder: str, preset: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    tags = f"setparams=range={colours}:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    words = ("-vf", f"scale=out_range={colours},format=yuv420p,{tags}", "-c:v", "libx264")
    film = _drawn(ffmpeg, tmp_path / "film.mkv", *words, "-g", "25", "-crf", "12")
    source = probe(film, tool)
    asked = {"encoder": encoder, "preset": preset, "scoring": Scoring(every=7)}
    made = _deliver(source, tool, tmp_path / "out.mkv", tmp_path / "parts", **asked)
    whole = measure_delivered(source, made, tool).columns["vmaf"]
    assert made.parts == 4 and made.scores is not None
    assert np.abs(made.scores.columns["vmaf"][:4] - whole[:28:7]).max() < 1e-6


def test_a_damaged_part_is_made_again(source: Source, tmp_path: Path, tool: Tool) -> None:
    folder, entry = tmp_path / "parts", ENCODERS["libx264"]
    work = Work(source, entry, "ultrafast", 30, tool, Parts(folder))
    first, *_ = made = make(work, cut(source, entry, 1.6), 2)
    good = first.path.read_bytes()
    first.path.write_bytes(good[:-9])
    assert [each.reused for each in make(work, cut(source, entry, 1.6), 2)] == [False, *[True] * 3]
    assert first.path.read_bytes() == good
    assert [each.kept for each in make(work, cut(source, entry, 1.6), 2)] == [
        each.kept for each in made
    ]


def test_growth_is_seen_before_all_of_it_is_encoded(
    source: Source, tmp_path: Path, tool: Tool
) -> None:
    output = tmp_path / "out.mkv"
    with pytest.raises(LargerThanSource):
        _deliver(source, tool, output, tmp_path / "parts", cq=1, most_bytes=2000)
    assert not output.exists()


def test_an_encode_that_lost_its_colour_tags_is_compared_as_it_is(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    tags = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    film = _drawn(ffmpeg, tmp_path / "film.mkv", "-vf", tags, "-c:v", "ffv1", seconds=0.4)
    kept = ffmpeg("-i", film, "-c:v", "libx264", "-crf", "30", tmp_path / "kept.mp4")
    bare = "h264_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2"
    lost = ffmpeg("-i", kept, "-c", "copy", "-bsf:v", bare, tmp_path / "lost.mp4")
    source = probe(film, tool)
    one, other = (score(source, made, tool, depth=8).columns["vmaf"] for made in (kept, lost))
    assert np.array_equal(one, other)
