"""Pictures behind filters are the same in a look as in a pass through the whole title."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vqcast.media.decode import decode
from vqcast.media.filters import TAKEN, Filters
from vqcast.media.measure import encode
from vqcast.media.reel import Reel, decoded_by_seeking, gather_by_seeking, gather_through
from vqcast.media.segment import find, ways
from vqcast.media.source import Intake, Source, probe
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
FRAMES, STARTS, LENGTH = 60, (0, 17, 41, 55), 5
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")
NEEDS = {
    "crop": "crop=96:64", "pad": "pad=160:120", "scale": "scale=64:48", "transpose": "transpose=1",
    "delogo": "delogo=x=8:y=8:w=16:h=16", "drawbox": "drawbox=8:8:16:16", "rotate": "rotate=0.1",
    "colormatrix": "colormatrix=bt601:bt709", "fillborders": "fillborders=2:2:2:2",
    "colorspace": "colorspace=all=bt709:iall=bt601-6-625", "setsar": "setsar=1",
    "noise": "noise=alls=10:allf=t", "setdar": "setdar=4/3", "smartblur": "smartblur=1",
    "lutyuv": "lutyuv=y=negval", "removegrain": "removegrain=4", "curves": "curves=vintage",
}  # fmt: skip


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg) -> dict[str, Path]:
    """Sixty frames with grain: progressive with key frames far apart and near; woven."""
    folder = tmp_path_factory.mktemp("films")
    grain = "noise=alls=12:allf=t:all_seed=1"
    plain = f"testsrc2=s=128x96:r=25,{grain}"
    woven = f"testsrc2=s=128x96:r=50,{grain},interlace=scan=bff:lowpass=0,setfield=bff"

    def made(name: str, graph: str, *words: str) -> Path:
        return ffmpeg("-f", "lavfi", "-i", graph, "-frames:v", str(FRAMES), *X264, *words,
                      folder / name)  # fmt: skip

    return {
        "far": made("far.mp4", plain, "-g", "400", "-bf", "3"),
        "near": made("near.mkv", plain, "-x264-params", "keyint=8:open-gop=1:bframes=3"),
        "woven": made("woven.mkv", woven, "-x264-params", "bff=1:keyint=8:bframes=3"),
        "woven far": made("woven.ts", woven, "-x264-params", "bff=1:keyint=400:bframes=3"),
    }


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "cropped": ("near", {"crop": "96:64:16:16"}),
    "scaled": ("far", {"scale": "64:48"}),
    "denoised": ("near", {"denoise": "strong"}),
    "denoised, key frames far apart": ("far", {"denoise": "light"}),
    "deinterlaced": ("woven", {}),
    "deinterlaced, key frames far apart": ("woven far", {}),
    "deinterlaced and scaled": ("woven", {"scale": "64:48", "crop": "96:64:16:16"}),
    "at another rate": ("near", {"fps": "50"}),
    "a frame for each field": ("woven", {"deinterlace": "fields"}),
    "counted": ("near", {"vf": "rotate=n/20"}),
}


@pytest.mark.parametrize("decode_all", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_looks_are_those_of_the_whole_pass(
    case: str, decode_all: bool, films: dict[str, Path], tool: Tool, tmp_path: Path
) -> None:
    name, asked = CASES[case]
    intake = Intake(filters=Filters(**asked), decode_all=decode_all)
    source = probe(films[name], tool, intake=intake)
    assert source.video.chain and source.frames == FRAMES * (
        2 if {"fps", "deinterlace"} & set(asked) else 1
    )
    seek, through = (Reel(source, STARTS, LENGTH, tmp_path / f"{n}.yuv") for n in range(2))
    gather_by_seeking(seek, tool)
    gather_through([through], tool)
    assert seek.path.read_bytes() == through.path.read_bytes()
    assert (decoded_by_seeking([seek]) is None) == (source.video.reach is None)
    plain = probe(films[name], tool, intake=Intake(progressive=True))
    assert Reel(plain, STARTS, LENGTH, tmp_path / "p.yuv").video.identity != seek.video.identity


@pytest.mark.parametrize("case", ["deinterlaced", "denoised", "scaled"])
def test_segments_are_those_of_the_whole_pass(
    case: str, films: dict[str, Path], tool: Tool, tmp_path: Path
) -> None:
    name, asked = CASES[case]
    source = probe(films[name], tool, intake=Intake(filters=Filters(**asked)))
    for start in STARTS:
        segment = find(source, start, LENGTH, tool)
        made = encode(source, "libx264", "ultrafast", 30, tool, tmp_path / "s.mp4", segment=segment)
        trial = encode_and_score(source, "libx264", "ultrafast", 30, tool, segment=segment)
        assert list(made.sizes) == list(trial.sizes) and len(made.sizes) == LENGTH


def _every_way(source: Source, tool: Tool, start: int) -> list[bool]:
    index = source.index
    assert index is not None and index.digests is not None
    wanted = index.digests[start : start + LENGTH]
    found = [
        decode(source.path, tool, span=way, video=source.video).index.digests
        for way in ways(source, start, LENGTH)
    ]
    return [np.array_equal(each, wanted) for each in found]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_every_filter_that_is_taken_reaches_no_farther_than_is_said(
    name: str, films: dict[str, Path], tool: Tool
) -> None:
    """Pictures in the middle, however they are reached; and each at its time, one for one."""
    intake = Intake(filters=Filters(vf=NEEDS.get(name, name)))
    source, plain = (probe(films["near"], tool, intake=each) for each in (intake, Intake()))
    assert source.index is not None and plain.index is not None
    assert np.array_equal(source.index.times_us, plain.index.times_us)
    assert source.pix_fmt == plain.pix_fmt
    assert all(_every_way(source, tool, 29))
