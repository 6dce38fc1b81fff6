"""HDR films come out as HDR: what was there is in the file, read by other readers than vqcast's.

PyAV gives what a player's decoder sees, ffmpeg's own words what the container says, and mediainfo,
which shares no code with either, both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest
from command_kit import Vqcast
from hdr_kit import COLOURS, hdr10_plus, hdr_words, rpu, with_units

from vqcast.documents.source import Hdr
from vqcast.errors import InputError, MediaError
from vqcast.media import inputs
from vqcast.media.deliver import Delivered, deliver, plan
from vqcast.media.encoders import encoder
from vqcast.media.filters import Filters
from vqcast.media.hdr10_plus import entry_of
from vqcast.media.hdr_readback import stream_light
from vqcast.media.keep_hdr import notes, with_room
from vqcast.media.measure import encode, encoder_options
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.parts import Parts
from vqcast.media.reel import Reel, gather_by_seeking
from vqcast.media.source import Intake, Source, probe
from vqcast.media.streams import StreamChoice
from vqcast.media.together import encode_and_score
from vqcast.media.tool import Tool

pytestmark = pytest.mark.usefixtures("private_tmp")

Ffmpeg = Callable[..., Path]
IN_CI = os.environ.get("CI") == "true"
FRAMES = 8
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=128x96:r=24", "-frames:v", FRAMES)
ENCODERS = {
    "libx264": ("ultrafast", 30), "libx265": ("ultrafast", 30), "libsvtav1": ("12", 40),
    "libaom-av1": ("8", 40), "libvvenc": ("faster", 40), "libvpx-vp9": ("8", 40),
}  # fmt: skip
TELL_THE_STREAM = {"libx264", "libx265", "libsvtav1", "libvvenc"}
"""What displays read besides is in the streams of these; AV1 of libaom and VP9 leave it to the
container."""


@pytest.fixture(scope="module")
def film(ffmpeg: Ffmpeg, clips: Path) -> Path:
    """HDR10, with its mastering display and content light level."""
    return ffmpeg(*PICTURE, *hdr_words(), clips / "hdr10.mkv")


def _deliver(source: Source, name: str, tool: Tool, output: Path) -> Delivered:
    preset, cq = ENCODERS[name]
    return deliver(source, plan(source, encoder(name), output, tool), preset, cq, tool)


def _seen(path: Path) -> dict[str, object]:
    """What a player's decoder gives with the first frame."""
    with av.open(str(path)) as opened:
        frame = next(opened.decode(video=0))
        beside = {data.type.name: bytes(data) for data in frame.side_data}
        seen: dict[str, object] = {
            "colours": (frame.color_primaries, frame.color_trc, frame.colorspace),
            "full": frame.color_range == 2,
            "bits": frame.format.components[0].bits,
            "beside": set(beside),
        }
        if "MASTERING_DISPLAY_METADATA" in beside:
            numbers = struct.unpack("=22i", beside["MASTERING_DISPLAY_METADATA"])
            values = [a / b for a, b in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
            seen["mastering"] = pytest.approx(values, abs=5e-5)
            seen["values"] = values
        if "CONTENT_LIGHT_LEVEL" in beside:
            seen["level"] = struct.unpack("=2I", beside["CONTENT_LIGHT_LEVEL"])
        return seen


def _container(path: Path, tool: Tool) -> str:
    """What ffmpeg says of a file before it decodes anything."""
    words = [str(tool.path), "-hide_banner", "-nostdin", "-i", str(path)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60).stderr


@pytest.fixture(scope="session")
def mediainfo() -> Callable[[Path], dict[str, str]]:
    """``mediainfo(path)``: what it says of the video; skipped without it, but never in CI."""
    program = shutil.which("mediainfo")
    if program is None:
        reason = "no mediainfo on this machine: apt-get install mediainfo"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)

    def say(path: Path) -> dict[str, str]:
        words = [program, "--Output=JSON", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
        tracks: list[dict[str, str]] = json.loads(done.stdout)["media"]["track"]
        return next(each for each in tracks if each["@type"] == "Video")

    return say


def _kept(found: Hdr | None) -> dict[str, str]:
    assert found is not None
    return {fact.name: fact.kept for fact in found.facts}


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", ENCODERS)
def test_hdr10_is_in_the_stream_and_in_the_container(
    name: str, suffix: str, film: Path, tmp_path: Path, tool: Tool
) -> None:
    source = probe(film, tool)
    assert source.depth == 10
    made = _deliver(source, name, tool, tmp_path / f"made{suffix}")
    seen, before = _seen(made.path), _seen(film)
    assert seen["colours"] == (9, 16, 9) and not seen["full"] and seen["bits"] == 10
    assert seen["mastering"] == before["values"] and seen["level"] == (1000, 400)
    said = _container(made.path, tool)
    assert "yuv420p10le(tv, bt2020nc/bt2020/smpte2084" in said
    assert "r(0.7080,0.2920) g(0.1700,0.7970) b(0.1310 0.0460) wp(0.3127, 0.3290)" in said
    assert "max_luminance=1000" in said and "MaxCLL=1000, MaxFALL=400" in said

    kept = _kept(made.hdr)
    where = "both" if name in TELL_THE_STREAM else "container"
    assert {kept["mastering display"], kept["content light level"]} == {where}
    colours = "container" if name == "libvpx-vp9" else "both"
    assert [kept[each] for each in ("primaries", "transfer")] == [colours, colours]
    assert [kept[each] for each in ("matrix", "range")] == ["both", "both"]
    assert made.hdr is not None
    assert len(notes(made.hdr, name)) == (0 if name in TELL_THE_STREAM else 2)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", ["libx265", "libsvtav1", "libaom-av1"])
def test_mediainfo_calls_it_hdr10(
    name: str,
    suffix: str,
    film: Path,
    tmp_path: Path,
    tool: Tool,
    mediainfo: Callable[[Path], dict[str, str]],
) -> None:
    made = _deliver(probe(film, tool), name, tool, tmp_path / f"made{suffix}")
    said = mediainfo(made.path)
    assert said["HDR_Format_Compatibility"] == "HDR10"
    assert said["colour_primaries"] == "BT.2020" and said["transfer_characteristics"] == "PQ"
    assert said["matrix_coefficients"] == "BT.2020 non-constant"
    assert said["colour_range"] == "Limited"
    assert said["MasteringDisplay_ColorPrimaries"] == "BT.2020"
    assert said["MasteringDisplay_Luminance"] == "min: 0.0001 cd/m2, max: 1000 cd/m2"
    assert said["MaxCLL"].startswith("1000") and said["MaxFALL"].startswith("400")
    if name == "libx265":  # whose streams it reads
        assert said["MasteringDisplay_Luminance_Source"] == "Container / Stream"
        assert said["transfer_characteristics_Source"] == "Container / Stream"


@pytest.mark.parametrize("name", ["libx265", "libsvtav1", "libaom-av1", "libvvenc"])
@pytest.mark.parametrize("spread", ["limited", "full"])
def test_hlg_stays_hlg_in_its_range(
    name: str, spread: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    words = hdr_words("HLG", spread=spread, light=False)
    source = probe(ffmpeg(*PICTURE, *words, tmp_path / "hlg.mp4"), tool)
    made = _deliver(source, name, tool, tmp_path / "made.mkv")
    seen = _seen(made.path)
    assert seen["colours"] == (9, COLOURS["HLG"][1], 9)
    assert seen["full"] == (spread == "full")
    assert made.hdr is not None and made.hdr.transfer == "HLG"
    assert set(_kept(made.hdr).values()) == {"both"}


def test_8_bit_hlg_is_encoded_in_10(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    tags = "setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc"
    words = ("-vf", f"{tags},format=yuv420p", "-c:v", "libx264")
    source = probe(ffmpeg(*PICTURE, *words, tmp_path / "a.ts"), tool)
    made = _deliver(source, "libx265", tool, tmp_path / "made.mkv")
    assert _seen(made.path)["bits"] == 10


@pytest.mark.parametrize("name", ["libx265", "libsvtav1", "libvvenc"])
def test_a_probe_and_a_look_are_told_what_the_film_is_told(
    name: str, film: Path, tmp_path: Path, tool: Tool
) -> None:
    source = probe(film, tool)
    preset, cq = ENCODERS[name]
    probed = encode(source, name, preset, cq, tool, tmp_path / "probe.mp4")
    made = _deliver(source, name, tool, tmp_path / "made.mp4")
    assert made.video_bytes == probed.video_bytes

    reel = Reel(source, (0,), 4, tmp_path / "look.yuv")
    gather_by_seeking(reel, tool)
    look = reel.video
    entry = encoder(name)
    assert encoder_options(look, entry, cq, preset) == encoder_options(source, entry, cq, preset)
    alone = encode(look, name, preset, cq, tool, tmp_path / "look.mp4")
    light = stream_light(alone.path)
    assert light.transfer == "PQ" and light.level == (1000, 400) and light.mastering is not None


@pytest.mark.parametrize("transfer", COLOURS)
@pytest.mark.parametrize("spread", ["limited", "full"])
def test_a_look_is_scored_as_if_nothing_were_said_of_its_colours(
    transfer: str, spread: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    words = hdr_words(transfer, spread=spread, light=False)
    source = probe(ffmpeg(*PICTURE, *words, tmp_path / "hdr.mkv"), tool)
    reel = Reel(source, (0,), FRAMES, tmp_path / "look.yuv")
    gather_by_seeking(reel, tool)
    plain = replace(reel.video, light=None, video=inputs.PLAIN)
    told, untold = (
        encode_and_score(look, "libx265", "ultrafast", 30, tool).scores.columns["vmaf"].mean()
        for look in (reel.video, plain)
    )
    assert told == pytest.approx(untold, abs=0.5)


def test_more_light_than_pq_has_is_left_to_the_container(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    words = hdr_words(light=False)
    words[-1] += ":max-cll=65535,400"  # VVenC encodes nothing where it is told more than 10,000
    source = probe(ffmpeg(*PICTURE, *words, tmp_path / "a.mkv"), tool)
    made = _deliver(source, "libvvenc", tool, tmp_path / "made.mkv")
    assert _kept(made.hdr)["content light level"] == "container"


def test_8_bits_are_refused(film: Path, tool: Tool, tmp_path: Path) -> None:
    source = probe(film, tool)
    for options in (EncoderOptions(depth=8), EncoderOptions(pix_fmt="yuv420p")):
        with pytest.raises(InputError, match=r"HDR \(PQ\) needs 10 bits"):
            encoder_options(source, encoder("libx265", options), 30, "medium")
    with pytest.raises(InputError, match="8 bits"):
        encoder_options(source, encoder("h264_nvenc"), 30, "p4")


def test_nvenc_is_given_10_bits_and_the_colours(film: Path, tool: Tool) -> None:
    options = encoder_options(probe(film, tool), encoder("hevc_nvenc"), 30, "p4")
    assert options[options.index("-pix_fmt") + 1] == "p010le"
    tags = "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=limited"
    assert options[options.index("-vf") + 1] == f"setparams={tags}"


def test_options_are_tried_on_hdr(film: Path, vqcast: Vqcast) -> None:
    words = ("tune", film, "--encoder", "libx265", "--preset", "ultrafast", "--target", 60)
    vqcast(*words, "--no-cache", "--x265", "hdr10-opt=1")  # which x265 advises against for SDR


def test_networks_take_sdr_alone(film: Path, tool: Tool) -> None:
    with pytest.raises(MediaError, match=r"is HDR \(PQ\)") as refused:
        probe(film, tool, intake=Intake(sdr_only=True))
    assert refused.value.hint and "--tonemap" in refused.value.hint


def _plus(path: Path) -> list[bytes | None]:
    """The HDR10+ of each frame, as shown."""
    with av.open(str(path)) as opened:
        said = [
            {data.type.name: bytes(data) for data in frame.side_data}
            for frame in opened.decode(video=0)
        ]
    return [each.get("DYNAMIC_HDR_PLUS") for each in said]


@pytest.fixture(scope="module")
def film_plus(ffmpeg: Ffmpeg, clips: Path) -> Path:
    """HDR10+ that differs from picture to picture, not in the order in which it is shown."""
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", clips / "plain.h265")
    units = [hdr10_plus(1000 + n, curve=n % 2 == 1) for n in range(FRAMES)]
    return with_units(plain, before=units)


def test_hdr10_plus_is_kept_or_its_loss_is_said(
    film_plus: Path, tmp_path: Path, tool: Tool
) -> None:
    source, before = probe(film_plus, tool), _plus(film_plus)
    assert None not in before and len(set(before)) == FRAMES
    for name, keeps in (("libaom-av1", True), ("libx265", True), ("libsvtav1", False)):
        made = _deliver(source, name, tool, tmp_path / f"{name}.mkv")
        assert _plus(made.path) == (before if keeps else [None] * FRAMES)
        assert _kept(made.hdr)["HDR10+"] == ("stream" if keeps else "no")
        assert made.hdr is not None
        lost = [each for each in notes(made.hdr, name) if each.startswith("HDR10+")]
        assert bool(lost) != keeps


def test_hdr10_plus_of_other_pictures_or_that_x265_has_no_place_for_is_left_out(
    film_plus: Path, tmp_path: Path, tool: Tool
) -> None:
    cropped = probe(film_plus, tool, intake=Intake(filters=Filters(crop="96:64:0:0")))
    made = _deliver(cropped, "libx265", tool, tmp_path / "cropped.mkv")
    assert _plus(made.path) == [None] * FRAMES and _kept(made.hdr)["HDR10+"] == "no"

    said = _plus(film_plus)[0]
    assert said is not None and entry_of(said) is not None and entry_of(b"") is None
    for at, value in ((2, 2), (420, 1), (1296, 1), (268, 1)):  # windows, saturation, peaks, bright
        assert entry_of(said[:at] + bytes((value,)) + said[at + 1 :]) is None


def test_a_source_is_not_replaced_by_what_lost_some_of_its_light(
    ffmpeg: Ffmpeg, tmp_path: Path, vqcast: Vqcast
) -> None:
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", tmp_path / "plain.h265")
    film = with_units(plain, before=hdr10_plus())
    bytes_before = film.read_bytes()
    words = ("--encoder", "libsvtav1", "--preset", "12", "--target", 60, "--no-cache")
    done = vqcast("encode", film, *words, "--replace", "--name", "{stem}.new.mkv", "--json", code=3)
    line = json.loads(done.stdout.splitlines()[0])
    assert line["status"] == "kept" and line["indicative"]
    assert "HDR10+ would be lost" in line["reason"]
    assert film.read_bytes() == bytes_before


def test_dolby_vision_is_its_base_layer(ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool) -> None:
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", tmp_path / "plain.h265")
    source = probe(with_units(plain, after=rpu(8)), tool)
    planned = plan(source, encoder("libx265"), tmp_path / "made.mkv", tool)
    assert planned.carriage.notes() == [
        "Dolby Vision (profile 8) is left out: its HDR10 base layer is encoded"
    ]
    made = _deliver(source, "libx265", tool, tmp_path / "made.mkv")
    kept = _kept(made.hdr)
    assert kept.pop("Dolby Vision") == "no" and set(kept.values()) == {"both"}
    assert not [each for each in _seen(made.path)["beside"] if "DOVI" in each]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["libx265", "libsvtav1", "libx264"])
def test_a_film_in_parts_says_the_same(
    name: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    long = ("-f", "lavfi", "-i", "testsrc2=s=128x96:r=24", "-frames:v", 60)
    words = hdr_words()
    words[-1] += ":keyint=12:min-keyint=12"
    source = probe(ffmpeg(*long, *words, tmp_path / "long.mp4"), tool)
    preset, cq = ENCODERS[name]
    parts = Parts(tmp_path / "parts", length_s=0.5)
    planned = plan(source, encoder(name), tmp_path / "made.mkv", tool)
    made = deliver(source, planned, preset, cq, tool, parts=parts)
    assert made.parts > 1
    assert set(_kept(made.hdr).values()) == {"both"}
    assert "MaxCLL=1000, MaxFALL=400" in _container(made.path, tool)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", ["libx265", "libsvtav1", "libaom-av1"])
def test_dolby_vision_is_kept_where_it_is_asked_for(
    name: str, suffix: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", tmp_path / "plain.h265")
    source = probe(with_units(plain, after=rpu(8)), tool)
    entry = encoder(name, with_room(PLAIN, name, 128 * 96))
    choice = StreamChoice(dolby_vision="keep")
    planned = plan(source, entry, tmp_path / f"made{suffix}", tool, choice=choice)
    assert planned.carriage.notes() == []
    made = deliver(source, planned, *ENCODERS[name], tool)
    assert _kept(made.hdr)["Dolby Vision"] == "both"
    assert "DOVI configuration record: version: 1.0, profile:" in _container(made.path, tool)
    with av.open(str(made.path)) as opened:
        for frame in opened.decode(video=0):
            assert "DOVI_METADATA" in {data.type.name for data in frame.side_data}


@pytest.mark.parametrize(
    ("name", "suffix", "why"),
    [("libvvenc", ".mkv", "does not write"), ("libx265", ".mov", "does not say")],
)
def test_where_dolby_vision_can_t_be_kept_it_is_refused(
    name: str, suffix: str, why: str, ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", tmp_path / "plain.h265")
    source, choice = (
        probe(with_units(plain, after=rpu(8)), tool),
        StreamChoice(dolby_vision="keep"),
    )
    with pytest.raises(InputError, match=why) as refused:
        plan(source, encoder(name), tmp_path / f"made{suffix}", tool, choice=choice)
    assert refused.value.hint
    # Of a film that has none there is nothing to keep.
    plan(probe(plain, tool), encoder(name), tmp_path / f"made{suffix}", tool, choice=choice)


def test_encode_keeps_dolby_vision_and_probes_are_told_the_same(
    ffmpeg: Ffmpeg, tmp_path: Path, vqcast: Vqcast
) -> None:
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", tmp_path / "plain.h265")
    film = with_units(plain, after=rpu(8))
    words = ("encode", film, "--encoder", "libx265", "--preset", "ultrafast", "--target", 60)
    output = tmp_path / "a.mkv"
    done = vqcast(*words, "-o", output, "--no-cache", "--json", "--dolby-vision", "keep")
    *_, found, made = map(json.loads, done.stdout.splitlines())
    assert found["options"] == "--x265 vbv-maxrate=40000:vbv-bufsize=40000"
    assert made["video_bytes"] > found["bytes"]  # by its metadata
    assert {fact["kept"] for fact in made["hdr"]["facts"]} == {"both"}


def test_dolby_vision_without_a_base_layer_is_refused(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool
) -> None:
    plain = ffmpeg(*PICTURE, *hdr_words(), "-f", "hevc", tmp_path / "plain.h265")
    with pytest.raises(MediaError, match="Dolby Vision profile 5") as refused:
        probe(with_units(plain, after=rpu(5)), tool)
    assert refused.value.hint


def test_the_score_is_called_indicative_and_is_measured(
    ffmpeg: Ffmpeg, tmp_path: Path, tool: Tool, vqcast: Vqcast
) -> None:
    long = ("-f", "lavfi", "-i", "testsrc2=s=128x96:r=24", "-frames:v", 30)
    film = ffmpeg(*long, *hdr_words(), tmp_path / "film.mkv")
    words = ("encode", film, "--encoder", "libx265", "--preset", "ultrafast", "--target", 60)
    done = vqcast(*words, "-o", tmp_path / "a.mkv", "--no-cache", "--json")
    start, *_, found, made = map(json.loads, done.stdout.splitlines())
    assert start["indicative"] and found["indicative"] and made["indicative"]
    assert found["basis"] == "verified"
    assert made["hdr"]["transfer"] == "PQ"
    graph = "[0:v]settb=1/25,setpts=N[r];[1:v]settb=1/25,setpts=N[d];[r][d]xpsnr=stats_file=-"
    by_hand = subprocess.run(
        [tool.path, "-v", "info", "-i", film, "-i", tmp_path / "a.mkv", "-lavfi", graph,
         "-f", "null", "-"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    planes = re.search(r"XPSNR  y: ([\d.]+)  u: ([\d.]+)  v: ([\d.]+)", by_hand.stderr)
    assert planes is not None
    luma, *chroma = map(float, planes.groups())
    assert made["xpsnr"] == pytest.approx((4 * luma + sum(chroma)) / 6, abs=0.05)
    assert "the source is HDR (PQ): the answer is measured" in start["notes"]

    done = vqcast(*words, "-o", tmp_path / "b.mkv", "--no-cache")
    assert done.stdout.count("indicative: HDR pictures, a model made for SDR") == 2
    # What is HDR can't feed networks that were trained on SDR.
    refused = vqcast("predict", film, tmp_path / "a.mkv", code=2)
    assert "is HDR (PQ)" in refused.stderr
