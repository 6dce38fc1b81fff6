"""``vqcast compare``, ``ladder`` and ``explain`` as a user runs them: real encodes, real scores."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import msgspec
import pytest
from command_kit import Refusal, Vqcast

import vqcast as package
from vqcast.documents.compare import CompareResult
from vqcast.documents.explain import ExplainResult
from vqcast.documents.ladder import LadderResult
from vqcast.errors import InputError
from vqcast.measured.cell import Cell
from vqcast.measured.measurement import measure
from vqcast.media.source import probe
from vqcast.media.tool import Tool
from vqcast.tuning import stream

FRAMES, HEIGHTS = 24, (240, 120)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., Path]) -> Path:
    """A second of something that moves and has detail."""
    return ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=320x240:rate=24,noise=alls=6:allf=t:all_seed=1",
        "-t", "1", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        tmp_path_factory.mktemp("ladder") / "film.mkv",
    )  # fmt: skip


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def last(done: subprocess.CompletedProcess[str], kind: type[Any]) -> Any:
    return msgspec.convert(json.loads(done.stdout.splitlines()[-1]), kind)


@pytest.fixture(scope="session")
def made(
    vqcast: Vqcast, film: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LadderResult, Path]:
    """A ladder of two heights, encoded, with its picture and its script."""
    out = tmp_path_factory.mktemp("made")
    done = vqcast(
        "ladder", film, "--encoder", "libx264", "--preset", "ultrafast", "--heights", "240,120",
        "--rungs", 3, "--top", 90, "--bottom", 20, "--cache", cache, "--encode", out / "stream",
        "--segment", 0.5, "--plot", out / "ladder.svg", "--script", out / "ladder.sh", "--json",
    )  # fmt: skip
    return last(done, LadderResult), out


def test_a_ladder_has_rungs_apart_from_few_encodes(made: tuple[LadderResult, Path]) -> None:
    result, out = made
    assert 1 <= len(result.probes) <= 4 < result.cells
    assert {each.height for each in result.curves} == {*HEIGHTS}
    scores = [each.score for each in result.rungs]
    assert scores == sorted(scores, reverse=True)
    for better, cheaper in zip(result.rungs, result.rungs[1:], strict=False):
        assert cheaper.upper < better.lower and cheaper.bitrate_kbps < better.bitrate_kbps
    assert (out / "ladder.svg").read_text().startswith("<?xml")


def test_an_encode_at_a_lower_height_is_scored_at_the_displays_size(
    made: tuple[LadderResult, Path], film: Path, tool: Tool
) -> None:
    result, _ = made
    source = probe(film, tool)
    for each in result.probes:
        coded = None if each.height == 240 else (160, 120)
        cell = Cell(source, "libx264", "ultrafast", each.crf, coded=coded)
        truth = measure(cell, tool)
        assert (truth.score_width, truth.score_height) == (320, 240)
        assert truth.column("vmaf").mean() == pytest.approx(each.score, abs=0.02)
        rate = truth.enc_bytes * 8 * 24 / FRAMES / 1000
        assert rate == pytest.approx(each.bitrate_kbps, rel=0.02)


def test_pictures_that_are_only_scaled_beat_every_encode_of_them(film: Path, tool: Tool) -> None:
    cell = Cell(probe(film, tool), "libx264", "ultrafast", 12, coded=(160, 120))
    scaled = measure(replace(cell, uncoded=True), tool)
    assert scaled.enc_bytes == FRAMES
    assert scaled.column("vmaf").mean() > measure(cell, tool).column("vmaf").mean() - 0.5


def test_a_player_reads_every_rung_of_the_hls_playlist(made: tuple[LadderResult, Path]) -> None:
    result, out = made
    with av.open(str(out / "stream" / "master.m3u8")) as container:
        videos = container.streams.video
        assert [(each.width, each.height) for each in videos] == [
            (each.width, each.height) for each in result.rungs
        ]
        shown: dict[int, list[av.VideoFrame]] = {each.index: [] for each in videos}
        for packet in container.demux(videos):
            shown[packet.stream.index] += [each for each in packet.decode()]
    for frames in shown.values():
        assert len(frames) == FRAMES
        assert {0.0, 0.5} <= {round(float(each.time), 3) for each in frames if each.key_frame}


def test_a_player_reads_every_rung_of_the_dash_manifest(
    made: tuple[LadderResult, Path], tool: Tool
) -> None:
    result, out = made
    words = [str(tool.path), "-v", "error", "-i", str(out / "stream" / "manifest.mpd")]
    words += ["-map", "0:v", "-f", "framehash", "-"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    streams = [line.split(",")[0] for line in done.stdout.splitlines() if line[0] != "#"]
    assert done.stderr == ""
    assert {each: streams.count(each) for each in streams} == {
        str(index): FRAMES for index in range(len(result.rungs))
    }


def test_playlists_say_what_was_encoded(made: tuple[LadderResult, Path]) -> None:
    result, out = made
    master = (out / "stream" / "master.m3u8").read_text()
    assert master.count("#EXT-X-STREAM-INF") == len(result.rungs) == len(result.encoded)
    root = ElementTree.parse(out / "stream" / "manifest.mpd").getroot()
    found = [each for each in root.iter() if each.tag.endswith("Representation")]
    assert [(each.get("width"), each.get("height")) for each in found] == [
        (str(each.width), str(each.height)) for each in result.rungs
    ]
    assert result.playlists == ["master.m3u8", "manifest.mpd"]
    for rung, told in zip(result.encoded, result.rungs, strict=True):
        assert rung.scored == FRAMES and rung.height == told.height and rung.bytes > 0


def test_the_script_makes_the_same_rungs(made: tuple[LadderResult, Path], tmp_path: Path) -> None:
    result, out = made
    subprocess.run(["sh", out / "ladder.sh"], cwd=tmp_path, check=True, timeout=120)
    assert len(list(tmp_path.glob("rung*.mp4"))) == len(result.rungs)
    with av.open(str(tmp_path / "master.m3u8")) as container:
        assert len(container.streams.video) == len(result.rungs)


def test_rungs_agree_on_a_shape_and_segments_are_as_long_as_asked(
    made: tuple[LadderResult, Path], ffmpeg: Callable[..., Path], tmp_path: Path
) -> None:
    """Of a source that tells no shape of pixels; 134 lines of it are 237.85 pixels wide."""
    film = ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=426x240:rate=24,setsar=0", "-t", "1", "-c:v", "ffv1",
        "-pix_fmt", "yuv420p", tmp_path / "film.mkv",
    )  # fmt: skip
    rung = made[0].rungs[0]
    rungs = [
        msgspec.structs.replace(rung, width=width, height=height)
        for width, height in ((426, 240), (238, 134))
    ]
    result = msgspec.structs.replace(made[0], rungs=rungs, display=[426, 240])
    stream.encode(film, result, tmp_path / "new" / "out", segment_s=0.51)
    lists = sorted((tmp_path / "new" / "out").glob("media_*.m3u8"))
    seconds = [
        [float(line[8:].rstrip(",")) for line in each.read_text().splitlines() if "EXTINF" in line]
        for each in lists
    ]
    assert seconds == [[0.5, 0.5], [0.5, 0.5]]


def test_compare_tells_size_and_time_of_each_encoder(
    vqcast: Vqcast, film: Path, cache: Path, tmp_path: Path, tool: Tool
) -> None:
    done = vqcast(
        "compare", film, "--encoder", "libx264,libsvtav1", "--preset", "ultrafast,12", "--target",
        85, "--budget", "1h", "--cache", cache, "--plot", tmp_path / "c.png", "--json",
    )  # fmt: skip
    result = last(done, CompareResult)
    assert [(each.encoder, each.preset) for each in result.rows] == [
        ("libx264", "ultrafast"), ("libsvtav1", "12"),
    ]  # fmt: skip
    assert result.chosen == min(range(2), key=lambda at: result.rows[at].bytes)
    assert result.rows[result.chosen].front
    for row in result.rows:
        assert row.bytes_lower <= row.bytes <= row.bytes_upper and row.probes >= 1
        assert 0 < row.encode_s_lower <= row.encode_s <= row.encode_s_upper
        truth = measure(Cell(probe(film, tool), row.encoder, row.preset, row.crf), tool)
        assert truth.enc_bytes == pytest.approx(row.bytes, rel=0.25)
    assert (tmp_path / "c.png").stat().st_size > 1000
    exact = vqcast(
        "compare", film, "--encoder", "libx264", "--preset", "ultrafast", "--target", 85,
        "--exact", "--cache", cache, "--json",
    )  # fmt: skip
    assert [each.basis for each in last(exact, CompareResult).rows] == ["verified"]


def test_explain_says_what_is_known_without_an_encode(vqcast: Vqcast, film: Path) -> None:
    result = last(vqcast("explain", film, "--encoder", "libx264", "--json"), ExplainResult)
    assert (result.width, result.height, result.frames) == (320, 240, FRAMES)
    assert len(result.nearest) == 3 and 0 < result.complexity.third_score < 100
    scores = [each.score for each in result.points]
    assert scores == sorted(scores, reverse=True) and len(scores) == 4
    assert all(each.lower < each.score < each.upper for each in result.points)


def test_a_surface_is_conditioned_on_its_probes(film: Path, cache: Path) -> None:
    with package.surface(film, cache=cache) as before:
        expected = before.score("libx264", "ultrafast", 30, 120)
        probe = before.measure("libx264", "ultrafast", 30, 120)
        after = before.condition(probe)
        score, rate = (
            getattr(after, name)("libx264", "ultrafast", 30, 120) for name in ("score", "bitrate")
        )
        assert abs(score.value - probe.score) < 1.0 and not before.probes
        assert score.upper - score.lower < expected.upper - expected.lower
        assert rate.value == pytest.approx(probe.bitrate_kbps, rel=0.05)
        assert after.condition(probe) == after
        with pytest.raises(InputError, match="0 lines can't be encoded"):
            before.score("libx264", "ultrafast", 30, 0)
        hull = after.hull("libx264", "ultrafast", (240, 120))
        rates = [each.bitrate_kbps.value for each in hull]
        assert rates == sorted(rates) and {each.height for each in hull} <= {240, 120}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ladder", "--encoder", "libx264", "--heights", "480,240"), "480 lines are more than"),
        (("ladder", "--encoder", "libx264", "--heights", "241"), "241 lines"),
        (("ladder", "--encoder", "libx264", "--heights", "101"), "101 lines can't be encoded"),
        (("ladder", "--encoder", "libx264", "--heights", "tall"), "is not a list of whole numbers"),
        (("ladder", "--encoder", "libx265000", "--heights", "240"), "libx265000"),
        (("ladder", "--encoder", "libx264", "--heights", "240", "--device", "tv"), "'tv'"),
        (("ladder", "--encoder", "libx264", "--heights", "240", "--preset", "12"), "preset '12'"),
        (("ladder", "--encoder", "libx264", "--heights", "240", "--plot", "a.gif"), "a.gif"),
        (("ladder", "--encoder", "libx264", "--heights", "240", "--encode", "."), "exists"),
        (("compare", "--encoder", "libx264", "--target", "101"), "101 is not between"),
        (("compare", "--encoder", "nothing", "--target", "90"), "nothing"),
        (("compare", "--encoder", "libx264", "--target", "90", "--budget", "soon"), "'soon'"),
        (("explain", "--encoder", "libx264", "--preset", "10"), "has a preset '10'"),
    ],
)
def test_what_can_not_be_is_refused_in_one_sentence(
    refusal: Refusal, film: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in refusal(words[0], film, *words[1:])
