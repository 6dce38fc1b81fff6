"""Encoder options end to end: in the delivered file, in the cache's identity, in a corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from command_kit import Refusal, Vqcast
from forecast_kit import small_rows

from vqcast.corpus.table import load
from vqcast.workflow import steps

SVT = ("--encoder", "libsvtav1", "--preset", "10", "--svt", "tune=0:film-grain=8")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable[..., Path]) -> Path:
    """Fifty frames of something that moves, is not easy, and has grain."""
    return ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=size=160x120:rate=25,noise=alls=8:allf=t:all_seed=1",
        "-frames:v", "50", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
        tmp_path_factory.mktemp("film") / "film.mkv",
    )  # fmt: skip


def key_frames(path: Path) -> list[int]:
    """Numbers of the key frames, read by another reader than ffmpeg's program."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    return [index for index, packet in enumerate(packets) if packet.is_keyframe]


def test_grain_and_key_frames_are_in_the_delivered_file(
    vqcast: Vqcast, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mkv"
    done = vqcast(
        "encode", film, "-o", out, *SVT, "--keyint", "0.4s", "--target", 70, "--no-cache", "--json"
    )  # fmt: skip
    start, *_, result, made = map(json.loads, done.stdout.splitlines())
    assert start["options"] == result["options"] == "--svt tune=0:film-grain=8 --keyint 0.4s"
    assert any("with other encoder options" in note for note in start["notes"])
    assert result["basis"] == "verified", "no forecast was calibrated with these options"
    assert made["score"] == pytest.approx(result["score"], abs=0.01)
    assert key_frames(out) == [0, 10, 20, 30, 40]
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"filmgrain": "0", "oppointfilmgrain": "0"}
        first = next(container.decode(stream))
    assert stream.codec_context.name == "libdav1d"
    assert any("grain" in note for note in made["notes"]), "found by reading the file's header"
    assert start["film_grain"] and result["film_grain"] and made["film_grain"]
    assert any("scored without it" in note for note in start["notes"])
    assert (first.width, first.height) == (160, 120)


def test_a_forecaster_of_one_s_own_options_answers_for_them(
    vqcast: Vqcast, film: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "own.jsonl"
    own = [{**row, "options": "--x264 aq-mode=3"} for row in small_rows()]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in own))
    steps.train("crf_forecast_v1", [corpus], tmp_path / "run")
    registry = tmp_path / "registry"
    assert steps.gate(tmp_path / "run").promotes
    steps.promote(tmp_path / "run", [corpus], registry)
    asked = ("tune", film, "--encoder", "libx264", "--target", 80, "--registry", registry, "--json")

    def told(*more: str) -> tuple[str, bool]:
        start, *_, result = map(json.loads, vqcast(*asked, *more, "--no-cache").stdout.splitlines())
        return result["basis"], any("other encoder options" in note for note in start["notes"])

    assert told("--x264", "aq-mode=3") == ("forecast", False)
    assert told() == ("verified", True)
    assert told("--x264", "aq-mode=2") == ("verified", True)


def test_other_options_are_another_measurement(vqcast: Vqcast, film: Path, tmp_path: Path) -> None:
    asked = ("tune", film, "--encoder", "libx264", "--preset", "ultrafast", "--target", 80)
    asked += ("--cache", tmp_path / "cache", "--json")

    def probes(*more: str) -> list[bool]:
        lines = map(json.loads, vqcast(*asked, *more).stdout.splitlines())
        return [line["probe"]["reused"] for line in lines if line["event"] == "probe"]

    assert not any(probes("--x264", "aq-mode=3"))
    assert all(probes("--x264", "aq-mode=3"))
    assert not any(probes("--x264", "aq-mode=0"))


def test_a_corpus_says_its_options_and_holds_several(
    vqcast: Vqcast, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "corpus.jsonl"
    asked = ("corpus", "build", film, "--encoder", "libx264", "--preset", "ultrafast")
    asked += ("--cq", "20,40", "--no-v1", "--out", out)
    vqcast(*asked)
    plain = out.read_bytes()
    assert b"options" not in plain
    vqcast(*asked, "--x264", "bframes=3", "--keyint", "1s")
    assert out.read_bytes().startswith(plain), "the cells that were there are kept"
    corpus = load(out, min_rows=1)
    cells = [cell[2:] for cell in corpus.cells()[0]]
    given = "--x264 bframes=3 --keyint 1s"
    assert cells == [("ultrafast", cq, each) for each in (None, given) for cq in (20, 40)]
    sizes = {(row["cq"], row.get("options")): row["enc_bytes"] for row in corpus.frame.rows()}
    assert sizes[20, None] > sizes[20, given], "B-frames make it smaller"
    again = tmp_path / "own.jsonl"
    vqcast(*asked[:-1], again, "--x264", "bframes=3", "--cells", f"{out}.cells")
    provenance = json.loads((tmp_path / "own.provenance.json").read_text())
    assert "-x264-params bframes=3" in provenance["grid"]["libx264"]["options"]


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (("libsvtav1", "--preset", "12", "--depth", "10", "--crf-step", "0.25"), "yuv420p10le"),
        (("libx265", "--preset", "ultrafast", "--pix-fmt", "yuv444p"), "yuv444p"),
    ],
)
def test_depth_and_pixel_format_are_in_the_delivered_file(
    words: tuple[str, ...], made: str, vqcast: Vqcast, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mkv"
    asked = ("encode", film, "-o", out, "--target", 80, "--no-cache", "--json", "--encoder")
    told = [json.loads(line) for line in vqcast(*asked, *words).stdout.splitlines()]
    with av.open(str(out)) as container:
        assert next(container.decode(video=0)).format.name == made
    assert told[-1]["score"] == pytest.approx(told[-2]["score"], abs=0.01)


def test_a_format_that_the_encoder_lacks_is_refused(refusal: Refusal, film: Path) -> None:
    asked = ("tune", film, "--encoder", "libsvtav1", "--target", 90, "--no-cache")
    said = refusal(*asked, "--pix-fmt", "yuv444p")
    assert "yuv444p is not one of yuv420p yuv420p10le" in said


@pytest.mark.parametrize("command", ["tune", "encode", "corpus build"])
def test_a_typo_is_refused_before_anything_runs(
    command: str, refusal: Refusal, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mkv"
    more: tuple[object, ...] = ("--target", 90, "--no-cache")
    if command == "encode":
        more += ("-o", out)
    if command == "corpus build":
        more = ("--no-v1", "--cq", "20", "--out", tmp_path / "c.jsonl")
    said = refusal(*command.split(), film, "--encoder", "libx264", "--x264", "aqmode=3", *more)
    assert "did you mean aq-mode?" in said
    assert list(tmp_path.iterdir()) == []


ANY = [
    ("librav1e", "qp", "0:255:1", ("--enc", "speed=10"), "av1"),
    ("mpeg4", "q", "1:31:0.5", (), "mpeg4"),
]


@pytest.mark.parametrize(("name", "knob", "scale", "words", "codec"), ANY)
def test_any_encoder_of_ffmpeg_is_tuned_and_delivered(
    name: str, knob: str, scale: str, words: tuple[str, ...], codec: str,
    vqcast: Vqcast, film: Path, tmp_path: Path,
) -> None:  # fmt: skip
    out, asked = tmp_path / "out.mkv", ("--encoder", name, "--knob", knob, "--range", scale, *words)
    done = vqcast("encode", film, "-o", out, *asked, "--target", 75, "--no-cache", "--json")
    *_, result, made = map(json.loads, done.stdout.splitlines())
    assert result["status"] == "met"
    assert made["score"] == pytest.approx(result["score"], abs=0.01)
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec


def test_a_corpus_holds_any_encoder(vqcast: Vqcast, film: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    asked = ("--encoder", "mpeg4", "--knob", "q", "--range", "1:31:1", "--cq", "4,20")
    vqcast("corpus", "build", film, *asked, "--no-v1", "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["options"] for row in rows} == {"--knob q --range 1:31:1"}
    assert rows[0]["vmaf"] > rows[-1]["vmaf"] + 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("librav1e",), "no adapter"),
        (("librav1e", "--knob", "qp"), "--knob and --range go together"),
        (("librav1e", "--knob", "qp", "--range", "9:1:1"), "is not LOW:HIGH:STEP"),
        (("librav1e", "--knob", "speeed", "--range", "0:9:1"), "did you mean speed?"),
        (("libnothing", "--knob", "qp", "--range", "0:9:1"), "no encoder 'libnothing'"),
        (("libx264", "--knob", "qp", "--range", "0:51:1"), "has a quality option already: -crf"),
    ],
)
def test_a_knob_that_can_not_be_is_refused(
    words: tuple[str, ...], told: str, refusal: Refusal, film: Path
) -> None:
    assert told in refusal("tune", film, "--target", 90, "--no-cache", "--encoder", *words)
