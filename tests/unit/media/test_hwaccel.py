"""Devices: what ffmpeg is told, what is shown before one is used, what is said where none is.

No device is needed, nor claimed: a decoder in software stands for one that gives the same bits, or
others. A machine with a device of its own skips what says that there is none.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vqcast.errors import InputError, ToolUnavailable
from vqcast.media import argv, hwaccel, inputs
from vqcast.media.encoders import encoder
from vqcast.media.in_parts import Scoring, Work, make
from vqcast.media.inputs import HW_METHODS, HwDecoder, RawFormat, Video
from vqcast.media.parts import Parts, TitlePart
from vqcast.media.reel import Reel
from vqcast.media.source import Source, probe
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool
from vqcast.tuning.machine import Machine

SAME = HwDecoder("cuda", ("-hwaccel", "none"), "null")
"""No device: ffmpeg is told to use none, and its pictures are as they are."""
OTHER = replace(SAME, download="negate")


@pytest.fixture(scope="module")
def film(ffmpeg: Callable[..., Path], clips: Path, pattern: Path, tool: Tool) -> Source:
    return probe(ffmpeg("-i", pattern, "-c:v", "libx264", "-crf", "9", clips / "film.mkv"), tool)


def _said(tool: Tool, word: str) -> str:
    words = [str(tool.path), "-hide_banner", word]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def on(source: Source, device: HwDecoder) -> Source:
    return replace(source, video=replace(source.video, device=device))


@pytest.mark.parametrize("method", HW_METHODS)
def test_a_device_hands_over_frames_of_a_format_that_ffmpeg_knows(tool: Tool, method: str) -> None:
    formats, filters = _said(tool, "-pix_fmts"), _said(tool, "-filters")
    for pix_fmt in ("yuv420p", "yuv420p10le"):
        device = hwaccel.decoder(method, pix_fmt)
        option, named, output, its = device.words
        assert (option, named, output) == ("-hwaccel", method, "-hwaccel_output_format")
        assert f"..H.. {its} " in formats
        fetch, *made = device.download.split(",")
        assert f" {fetch} " in filters
        for form in made:
            assert f"IO... {form.removeprefix('format=')} " in formats


def test_its_words_stand_before_the_file_and_its_filters_before_all_others() -> None:
    device = hwaccel.decoder("videotoolbox", "yuv420p10le")
    read = inputs.read(Path("/in.mkv"), device=device)
    assert read[-2:] == ["-i", "file:/in.mkv"]
    at = read.index("-hwaccel")
    assert read[at : at + 4] == list(device.words)
    video = Video(chain="crop=64:64", device=device)
    expected = "hwdownload,format=p010le,format=yuv420p10le,crop=64:64"
    assert video.graph == expected and video.first == f"{expected},"
    assert video.of(1) == f"[1:v:0]{expected},"
    words = argv.deliver(Path("f"), read, ["-vf", "fps=5"], [], "mp4", Path("/o"), video=video)
    assert words[words.index("-filter:v:0") + 1] == f"{expected},fps=5"
    assert Video().method is None and video.method == "videotoolbox"


def test_auto_goes_on_in_software_and_says_so(tool: Tool, film: Source) -> None:
    found = hwaccel.on_device(film, replace(tool, hwaccel="auto"))
    if found.video.device is not None:
        pytest.skip(f"this machine decodes by {found.video.method}")
    assert replace(found, notes=()) == replace(film, notes=())
    (note,) = found.notes
    assert note.startswith("decoded and scored in software: ")
    assert all(f"{method} " in note for method in HW_METHODS)


@pytest.mark.parametrize("method", HW_METHODS)
def test_a_method_that_was_named_is_refused_by_name(tool: Tool, film: Source, method: str) -> None:
    asked = replace(tool, hwaccel=method)
    if not hwaccel.why_not(film, hwaccel.decoder(method, "yuv420p"), tool):
        pytest.skip(f"this machine decodes by {method}")
    with pytest.raises(ToolUnavailable, match=f"film.*--hwaccel {method} here: it ") as refused:
        hwaccel.on_device(film, asked)
    assert "auto" in str(refused.value.hint) and refused.value.exit_status == 2


def test_what_no_device_is_tried_on_is_named(tool: Tool, film: Source) -> None:
    raw = RawFormat(320, 240, "yuv420p", film.rate or 25)  # type: ignore[arg-type]
    unfit = {
        "mpeg2video": replace(film, codec="mpeg2video"),
        "yuv444p": replace(film, pix_fmt="yuv444p"),
        "raw": replace(film, raw=raw),
    }
    for word, source in unfit.items():
        (note,) = hwaccel.on_device(source, replace(tool, hwaccel="auto")).notes
        assert word in note
        with pytest.raises(ToolUnavailable, match=word):
            hwaccel.on_device(source, replace(tool, hwaccel="cuda"))


def test_only_what_gives_the_bits_of_software_is_used(tool: Tool, film: Source) -> None:
    assert hwaccel.why_not(film, SAME, tool) == ""
    assert "other pictures" in hwaccel.why_not(film, OTHER, tool)
    broken = replace(SAME, download="hwdownload")
    assert hwaccel.why_not(film, broken, tool).startswith("failed: ")
    assert "methods" in hwaccel.why_not(film, replace(SAME, method="no"), tool)


def test_probes_and_parts_are_of_what_the_device_gives(
    tool: Tool, film: Source, tmp_path: Path
) -> None:
    def numbers(source: Source) -> list[float]:
        trial = encode_and_score(source, "libx264", "ultrafast", 30.0, tool)
        work = Work(source, encoder("libx264"), "ultrafast", 30.0, tool, Parts(tmp_path),
                    Scoring(every=5))  # fmt: skip
        (made,) = make(work, [TitlePart(0, source.frames)], 1)
        return [*trial.sizes, *trial.scores.columns["vmaf"], *made.kept.frame_bytes,
                *made.kept.scores["vmaf"]]  # fmt: skip

    plain = numbers(film)
    assert numbers(on(film, SAME)) == plain
    assert numbers(on(film, OTHER)) != plain


def test_its_numbers_are_kept_apart(tool: Tool, film: Source) -> None:
    def digest(source: Source) -> str | None:
        return Reel(source, (0,), 5, Path("x.yuv")).video.sha256

    assert digest(film) != digest(on(film, SAME))


def test_libvmaf_cuda_gets_both_sides_on_the_card_and_what_it_can_score() -> None:
    plain = argv.score_filter(8, 9, every=3)
    made = argv.on_cuda(plain)
    assert "[d]hwupload_cuda[dc];[r]hwupload_cuda[rc];[dc][rc]libvmaf_cuda=model=" in made
    assert argv.keyed(made).count("format=yuv420p,split") == 2
    assert made.partition("libvmaf_cuda=")[2] == plain.partition("libvmaf=")[2]
    assert "libvmaf_cuda" in argv.on_cuda(argv.watch_filter(8, Video(), every=7))
    for graph in (
        argv.score_filter(10, 9),
        argv.score_filter(8, 9, also=["vmaf-v1"]),
        argv.score_filter(8, 9, also=["vmaf-neg"]),
    ):
        assert argv.on_cuda(graph) == graph


def test_it_is_used_where_it_was_seen_to_score_alike(tool: Tool) -> None:
    same = Tool(tool.path, tool.version, tool.sha256, tool.loopback, tool.why, "auto")
    found = hwaccel.equipped(tool, "auto")
    if "libvmaf_cuda" in _said(tool, "-filters"):
        assert found.cuda == (found.sha256 != tool.sha256)
    else:
        assert found == same
    assert hwaccel.equipped(tool, None) is tool


def test_machine_knows_the_methods() -> None:
    assert Machine(hwaccel="auto").hwaccel == "auto"
    with pytest.raises(InputError, match="nvdec") as refused:
        Machine(hwaccel="nvdec")
    assert all(method in str(refused.value.hint) for method in ("auto", *HW_METHODS))
