"""Metrics beside VMAF v0.6.1: ffmpeg's own numbers, in every way in which an encode is scored."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import InputError, ToolFailure
from vqcast.media import beside, logs
from vqcast.media.deliver import Scoring, deliver, measure_delivered, plan
from vqcast.media.encoders import encoder
from vqcast.media.measure import encode, score
from vqcast.media.source import Source, probe
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool
from vqcast.metric import CAP_DB, METRICS

ALL = tuple(name for name in METRICS if name not in ("vmaf", "vmaf-v1"))
MORE = ("vmaf-v1", *ALL)
FILTERS = tuple(name for name in ALL if METRICS[name].filter)
Ffmpeg = Callable[..., Path]


@pytest.fixture(scope="module", params=[25, 50])
def moving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg,
    tool: Tool,
) -> Source:  # fmt: skip
    """Twenty-five frames at 25 and at 50 a second, of something that moves."""
    path = ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={request.param}", "-frames:v", "25",
        "-c:v", "ffv1", "-pix_fmt", "yuv420p", tmp_path_factory.mktemp("m") / "moving.mkv",
    )  # fmt: skip
    return probe(path, tool)


def by_hand(tool: Tool, folder: Path, graph: str, *inputs: Path) -> str:
    """What ffmpeg says of a graph, and leaves in ``folder``."""
    read = [word for path in inputs for word in ("-i", str(path))]
    done = subprocess.run(
        [str(tool.path), "-hide_banner", "-nostdin", *read, "-lavfi", graph, "-f", "null", "-"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr


def test_values_are_those_of_ffmpegs_filters_and_models(
    moving: Source, tool: Tool, tmp_path: Path
) -> None:
    made = encode(moving, "libx264", "ultrafast", 32, tool, tmp_path / "made.mp4")
    columns = score(moving, made.path, tool, depth=8, also=ALL).columns
    for name, key in (("psnr", "psnr_avg"), ("ssim", "All")):
        by_hand(tool, tmp_path, f"[0][1]{name}=stats_file=log.txt", made.path, moving.path)
        found = re.findall(rf"{key}:(\S+)", (tmp_path / "log.txt").read_text())
        assert columns[name] == pytest.approx([float(each) for each in found], abs=0.0051)
    # The reference is XPSNR's first input.
    said = by_hand(tool, tmp_path, "[1][0]xpsnr=stats_file=log.txt", made.path, moving.path)
    log = (tmp_path / "log.txt").read_text()
    for plane in "yuv":
        found = re.findall(rf"^n: .*XPSNR {plane}: +(\S+)", log, re.MULTILINE)
        values = columns[f"xpsnr_{plane}"]
        assert values == pytest.approx([float(each) for each in found], abs=1e-3)
        average = -20 * np.log10(np.mean(10 ** (-values / 20)))
        summary = re.search(rf"XPSNR .*{plane}: +(\S+)", said[said.index("XPSNR  y") :])
        assert summary is not None
        assert average == pytest.approx(float(summary[1]), abs=1e-3)
    planes = [columns[f"xpsnr_{plane}"] for plane in "yuv"]
    assert columns["xpsnr"] == pytest.approx((4 * planes[0] + planes[1] + planes[2]) / 6)
    model = (
        "version=vmaf_v0.6.1neg|version=vmaf_4k_v0.6.1\\\\:name=k|version=vmaf_v0.6.1\\\\:name=p"
    )
    graph = f"[0][1]libvmaf=model={model}\\\\:enable_transform=true:log_fmt=json:log_path=v.json"
    by_hand(tool, tmp_path, graph.replace("|", "\\|"), made.path, moving.path)
    rows = [each["metrics"] for each in json.loads((tmp_path / "v.json").read_text())["frames"]]
    for name, key in (("vmaf_neg", "vmaf"), ("vmaf_4k", "k"), ("vmaf_phone", "p")):
        assert columns[name] == pytest.approx([row[key] for row in rows])
    plain = score(moving, made.path, tool, depth=8).columns
    assert list(columns) == beside.columns(["vmaf", *ALL])
    assert all(np.array_equal(columns[name], plain[name]) for name in plain)


@pytest.mark.parametrize("every", [1, 3, 7])
@pytest.mark.parametrize("size", [None, (288, 162)])
def test_every_way_of_scoring_gives_the_same(
    every: int, size: tuple[int, int] | None, moving: Source, tool: Tool, tmp_path: Path
) -> None:
    made = encode(moving, "libx264", "ultrafast", 32, tool, tmp_path / "made.mp4")
    whole = score(moving, made.path, tool, depth=8, also=MORE, size=size).columns
    entry = encoder("libx264")
    together = encode_and_score(
        moving, "libx264", "ultrafast", 32, tool, also=MORE, size=size, every=every
    )
    scoring = Scoring(size=size, every=every, also=MORE)
    planned = plan(moving, entry, tmp_path / "out.mkv", tool)
    delivered = deliver(moving, planned, "ultrafast", 32, tool, scoring=scoring)
    assert delivered.scores is not None
    after = measure_delivered(moving, delivered, tool, also=MORE, size=size, every=every)
    for found in (together.scores, delivered.scores, after):
        assert found.columns.keys() == whole.keys()
        for name, values in found.columns.items():
            assert np.array_equal(values, whole[name][::every]), name


@pytest.mark.parametrize("every", [1, 7])
def test_filters_alone_give_the_same_and_libvmaf_is_not_run(
    every: int, moving: Source, tool: Tool, tmp_path: Path
) -> None:
    made = encode(moving, "libx264", "ultrafast", 32, tool, tmp_path / "made.mp4")
    told, noting = tmp_path / "told", tmp_path / "ffmpeg"
    noting.write_text(f'#!/bin/sh\necho "$@" >> {told}\nexec {tool.path} "$@"\n')
    noting.chmod(0o755)
    noted = replace(tool, path=noting)
    asked = {"also": FILTERS, "vmaf": False, "every": every}
    alone = score(moving, made.path, noted, depth=8, **asked)
    together = encode_and_score(moving, "libx264", "ultrafast", 32, noted, **asked).scores
    assert "ssim" in told.read_text() and "libvmaf" not in told.read_text()
    beside_vmaf = score(moving, made.path, noted, depth=8, also=FILTERS).columns
    assert "libvmaf" in told.read_text()
    for found in (alone, together):
        assert list(found.columns) == beside.columns(FILTERS)
        assert found.frames == len(range(0, moving.frames, every))
        for name, values in found.columns.items():
            assert np.array_equal(values, beside_vmaf[name][::every]), name


def test_pictures_without_error_stand_as_the_cap(moving: Source, tool: Tool) -> None:
    found = score(moving, moving.path, tool, depth=8, also=ALL, itself=True).columns
    for name in ("psnr", "xpsnr", "xpsnr_y", "xpsnr_u", "xpsnr_v"):
        assert found[name] == pytest.approx(np.full(25, CAP_DB))
    assert set(found["ssim"]) == {1.0}


def test_ten_bits_are_scored_as_ten(ffmpeg: Ffmpeg, tool: Tool, tmp_path: Path) -> None:
    drawn = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-frames:v", "5")
    deep = ("-pix_fmt", "yuv420p10le", "-c:v", "ffv1")
    one = probe(ffmpeg(*drawn, *deep, tmp_path / "one.mkv"), tool)
    step = ("-vf", "format=yuv420p10le,lutyuv=y=val+1")
    off = ffmpeg("-i", one.path, *step, *deep, tmp_path / "off.mkv")
    found = score(one, off, tool, depth=10, also=("psnr",)).columns
    by_one = 10 * np.log10(1023**2 / (4 / 6))  # of the luma alone, two thirds of the samples
    assert found["psnr"] == pytest.approx(by_one, abs=0.05)


@pytest.mark.parametrize("cut", [0, 3, 24])
def test_a_log_that_is_cut_is_refused(cut: int, tmp_path: Path) -> None:
    lines = [f"frame:{n}\nlavfi.ssim.All=0.9\n" for n in range(cut)]
    (tmp_path / "ssim.txt").write_text("".join(lines))
    with pytest.raises(ToolFailure, match=f"{cut} values for 25 frames"):
        logs.read(tmp_path, 25, ["ssim"], what="d against r")


@pytest.mark.parametrize("value", ["nan", "-nan", "x"])
def test_a_value_that_is_no_number_is_refused(value: str, tmp_path: Path) -> None:
    (tmp_path / "psnr.txt").write_text(f"lavfi.psnr.psnr_avg=40\nlavfi.psnr.psnr_avg={value}\n")
    with pytest.raises(ToolFailure):
        logs.read(tmp_path, 2, ["psnr"], what="d against r")


def test_a_metric_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="is not known") as caught:
        beside.columns(["vmof"])
    assert caught.value.field == "metric" and "xpsnr" in (caught.value.hint or "")


def test_xpsnr_is_refused_where_ffmpeg_misreads_the_rows() -> None:
    beside.require_width(["xpsnr"], 1920, 10)
    beside.require_width(["xpsnr"], 720, 8)
    beside.require_width(["psnr", "ssim"], 720, 10)
    with pytest.raises(InputError, match="720 wide"):
        beside.require_width(["xpsnr"], 720, 10)
