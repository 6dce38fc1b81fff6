"""Where shots begin, and that shots of several qualities join to what was made and scored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqcast.errors import InputError
from vqcast.media.decode import decode_made
from vqcast.media.deliver import deliver, measure_delivered, plan
from vqcast.media.encoders import ENCODERS
from vqcast.media.in_parts import Scoring, Stop, Work, make_one
from vqcast.media.inputs import Video
from vqcast.media.join import header_of
from vqcast.media.packets import PacketTable
from vqcast.media.parts import Parts
from vqcast.media.run import Cancelled
from vqcast.media.shots import CHANGE, LEAST_FRAMES, cuts, shots
from vqcast.media.source import Source, probe
from vqcast.media.threads import Threads
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
X264 = ENCODERS["libx264"]
FREE = ("-fps_mode", "passthrough", "-enc_time_base", "1:1000")
LENGTHS = (38, 31, 45)
PICTURES = (
    "testsrc2=s=96x64:r=25",
    "mandelbrot=s=96x64:r=25",
    "testsrc2=s=96x64:r=25,negate,vflip",
)


def film(ffmpeg: Ffmpeg, output: Path, *words: object, then: str = "null") -> Path:
    """Three pictures with hard cuts between them, none at a key frame of the file."""
    drawn = [f"{each},format=yuv420p,trim=end_frame={n},setpts=N/25/TB[p{i}]"
             for i, (each, n) in enumerate(zip(PICTURES, LENGTHS, strict=True))]  # fmt: skip
    pads = "".join(f"[p{number}]" for number in range(len(drawn)))
    graph = ";".join([*drawn, f"{pads}concat=n={len(drawn)},{then}[v]"])
    codec = ("-c:v", "libx264", "-crf", "12", "-g", "60", "-sc_threshold", "0")
    return ffmpeg("-filter_complex", graph, "-map", "[v]", *codec, *words, output)


@pytest.fixture(scope="module")
def cut_film(ffmpeg: Ffmpeg, clips: Path) -> Path:
    """114 frames, cut at 38 and 69, with B-frames."""
    return film(ffmpeg, clips / "cut_film.mkv")


@pytest.fixture(scope="module")
def source(cut_film: Path, tool: Tool) -> Source:
    return probe(cut_film, tool)


def test_shots_begin_at_the_cuts_that_were_made(source: Source, tool: Tool) -> None:
    found = shots(source, X264, tool)
    assert [part.start for part in found.parts] == [0, 38, 69]
    assert [part.frames for part in found.parts] == list(LENGTHS)
    assert len(found.motion) == 3


@given(
    changes=st.lists(st.floats(0, 60), min_size=2, max_size=400),
    fps=st.sampled_from([5.0, 24.0, 50.0]), jumps=st.booleans(),
)  # fmt: skip
def test_every_shot_has_a_length_that_was_allowed(
    changes: list[float], fps: float, jumps: bool
) -> None:
    times = np.arange(len(changes)) / fps
    if jumps:
        times[len(times) // 2 :] += 0.7
    found = cuts(np.array(changes), times)
    assert found == sorted(set(found))
    lengths = np.diff(times[[0, *found, len(times) - 1]])
    assert (lengths <= 10.0 + 1 / fps).all()
    assert (lengths >= min(1.0, times[-1])).all()
    if times[-1] < 2.0:
        assert not found
    assert (np.diff([0, *found, len(times)]) >= min(LEAST_FRAMES, len(times))).all()


def test_frames_that_stand_for_seconds_are_in_shots_of_several() -> None:
    times = np.arange(40) * 4.0
    assert np.diff([0, *cuts(np.full(40, CHANGE), times), 40]).min() >= LEAST_FRAMES


def test_a_film_of_one_frame_is_one_shot(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    drawn = ("-f", "lavfi", "-i", "testsrc2=s=96x64", "-frames:v", 1)
    found = shots(probe(ffmpeg(*drawn, "-c:v", "libx264", tmp_path / "one.mp4"), tool), X264, tool)
    assert len(found.parts) == 1 and np.isfinite(found.motion).all()


def test_of_changes_near_each_other_the_greatest_is_the_cut() -> None:
    changes = np.zeros(100)
    changes[[40, 44]] = CHANGE + 1, CHANGE + 5
    assert cuts(changes, np.arange(100) / 25) == [44]


def test_a_film_without_cuts_is_cut_all_the_same(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    drawn = "testsrc2=s=96x64:r=5:d=26,format=yuv420p"
    path = ffmpeg("-f", "lavfi", "-i", drawn, "-c:v", "libx264", tmp_path / "one.mp4")
    found = shots(probe(path, tool), X264, tool)
    assert len(found.parts) == 3
    assert sum(part.frames for part in found.parts) == 130


@pytest.mark.parametrize(
    ("encoder", "preset", "crfs", "suffix"),
    [
        ("libx264", "medium", (18, 36, 27.5), ".mp4"),
        ("libx265", "ultrafast", (20, 38, 28), ".mkv"),
        ("libsvtav1", "12", (30, 55, 41.25), ".webm"),
        ("libaom-av1", "8", (30, 55, 41), ".mp4"),
    ],
)
def test_shots_of_several_qualities_are_one_film(
    encoder: str, preset: str, crfs: tuple[float, ...], suffix: str,
    source: Source, tmp_path: Path, tool: Tool,
) -> None:  # fmt: skip
    entry, threads = ENCODERS[encoder], Threads(encoder=2)
    work = Work(source, entry, preset, 30, tool, Parts(tmp_path / "parts"), Scoring(),
                stitched=True)  # fmt: skip
    work.kept.folder.mkdir()
    made = [
        make_one(replace(work, cq=crf), part, threads, Stop(None), lambda step, frames: None)
        for crf, part in zip(crfs, shots(source, entry, tool).parts, strict=True)
    ]
    assert len({header_of(each.path) for each in made}) == 1
    apart = np.concatenate([decode_made(each.path, tool).digests for each in made])
    planned = plan(source, entry, tmp_path / f"out{suffix}", tool)
    delivered = deliver(source, planned, preset, 30, tool, scoring=Scoring(), ready=made)
    index = decode_made(delivered.path, tool)
    assert np.array_equal(index.digests, apart)
    assert source.index is not None and delivered.scores is not None
    assert np.abs(index.times_us - source.index.times_us).max() <= 2000
    # Each frame is the source's of that number, and scores as it does in the whole film.
    whole = measure_delivered(source, delivered, tool).columns["vmaf"]
    assert np.abs(delivered.scores.columns["vmaf"] - whole).max() < 1e-6
    assert np.ptp([whole[:38].mean(), whole[38:69].mean(), whole[69:].mean()]) > 1


def test_a_shot_that_is_stopped_leaves_no_file(source: Source, tmp_path: Path, tool: Tool) -> None:
    stop, kept = Stop(None), Parts(tmp_path / "parts")
    kept.folder.mkdir()
    work = Work(source, X264, "ultrafast", 30, tool, kept, Scoring(), stitched=True)

    def tell(step: int, frames: int) -> None:
        if frames:
            assert list(kept.folder.rglob("*.mp4"))
            stop.set()

    with pytest.raises(Cancelled):
        make_one(work, shots(source, X264, tool).parts[0], Threads(), stop, tell)
    assert not list(kept.folder.iterdir())


def test_times_of_a_variable_rate_are_kept(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    uneven = "settb=1/1000,setpts='N*40+11*mod(N*N,3)'"
    source = probe(
        film(
            ffmpeg,
            tmp_path / "vfr.mkv",
            *("-fps_mode", "passthrough", "-enc_time_base", "1:1000"),
            then=uneven,
        ),
        tool,
    )
    assert not source.steady
    work = Work(source, X264, "ultrafast", 30, tool, Parts(tmp_path), Scoring(), stitched=True)
    made = [
        make_one(replace(work, cq=crf), part, Threads(), Stop(None), lambda step, frames: None)
        for crf, part in zip((20, 40, 30), shots(source, X264, tool).parts, strict=True)
    ]
    planned = plan(source, X264, tmp_path / "out.mkv", tool)
    delivered = deliver(source, planned, "ultrafast", 30, tool, ready=made)
    assert source.index is not None
    moved = decode_made(delivered.path, tool).times_us - source.index.times_us
    assert np.abs(moved - np.median(moved)).max() <= 1000


@pytest.mark.parametrize(
    ("encoder", "change", "said"),
    [
        ("libvvenc", lambda source: source, "can't be joined"),
        ("hevc_nvenc", lambda source: source, "needs a device"),
        (
            "libx264",
            lambda source: replace(source, video=Video("v:0", "bwdif", reach=1)),
            "filters",
        ),
        ("libx264", lambda source: replace(source, packets=_unindexed(source)), "no table"),
    ],
)
def test_what_does_not_join_is_refused_by_name(
    encoder: str, change: Callable[[Source], Source], said: str, source: Source, tool: Tool
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        shots(change(source), ENCODERS[encoder], tool, threading.Event())
    assert "--per-shot" in (refused.value.hint or "")


def _unindexed(source: Source) -> PacketTable:
    assert source.packets is not None
    return replace(source.packets, indexed=False)
