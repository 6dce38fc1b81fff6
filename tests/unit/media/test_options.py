"""Encoder options: how they join an encoder's words, and what is refused by name."""

from __future__ import annotations

import shlex
from fractions import Fraction

import pytest

from vqcast.errors import InputError
from vqcast.media.encoders import ENCODERS, encoder
from vqcast.media.options import PLAIN, EncoderOptions

REFUSED = """
crf qp q b b:v bitrate rc rc_mode rc-mode pass passlogfile tbr target-bitrate cq-level end-usage
lossless qp_i global_quality minrate s size video_size input-res r fps aspect pix_fmt colorspace
color_primaries color_trc color_range master-display max-cll hdr10 dolbyvision field_order frames
resize-mode stats csv recon dump-yuv dump_yuv analysis-save analysis_load qpfile cqmfile zonefile
film-grain-table fgs-table lambda-file scaling-list vmaf-model-path tracefile debug log-level
opencl-clbin rcstatsfile no-psnr threads lp pools numa-pools frame-threads row-mt thread_type
preset cpu-used g svtav1-params x264-params x264opts x265-params vvenc-params aom-params Bitrate
TargetBitrate flags2
"""


def words(name: str, options: EncoderOptions, rate: Fraction | None = None) -> list[str]:
    entry = encoder(name, options)
    return entry.options(entry.middle, entry.default_preset, 8, rate=rate)


def value_of(flag: str, given: list[str]) -> str:
    assert given.count(flag) == 1, "one list, not two of which ffmpeg takes the last"
    return given[given.index(flag) + 1]


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_without_options_an_encoder_is_the_tables(name: str) -> None:
    assert encoder(name, EncoderOptions()) is ENCODERS[name]
    assert str(PLAIN) == ""


def test_a_private_list_joins_the_encoders_own() -> None:
    svt = words("libsvtav1", EncoderOptions(svt="tune=0:film-grain=8"))
    assert value_of("-svtav1-params", svt) == "lp=1:tune=0:film-grain=8"
    x265 = words("libx265", EncoderOptions(x265="aq-mode=3:no-sao", scene_cut=False))
    own = "pools=none:frame-threads=1:log-level=error"
    assert value_of("-x265-params", x265) == f"{own}:scenecut=0:aq-mode=3:no-sao=1"
    x264 = words("libx264", EncoderOptions(x264="aq-mode=3", scene_cut=True))
    assert value_of("-x264-params", x264) == "scenecut=40:aq-mode=3"


def test_a_private_list_joins_the_one_for_several_threads() -> None:
    entry = encoder("libsvtav1", EncoderOptions(svt="tune=0"))
    assert value_of("-svtav1-params", entry.options(30, "8", 8, 4)) == "lp=4:tune=0"


def test_the_options_of_ffmpegs_encoder_name_the_video_stream_alone() -> None:
    given = words("libx264", EncoderOptions(enc=("aq-mode=3", "maxrate=2M", "bufsize=4M")))
    assert given[-8:-2] == [
        "-aq-mode:v:0", "3", "-maxrate:v:0", "2M", "-bufsize:v:0", "4M",
    ]  # fmt: skip
    assert given[-2:] == ["-pix_fmt", "yuv420p"]


@pytest.mark.parametrize(
    ("keyint", "frames"), [("240", "240"), ("10s", "240"), ("0.5s", "12"), ("0.001s", "1")]
)
def test_key_frames_are_frames_or_seconds(keyint: str, frames: str) -> None:
    given = words("libx264", EncoderOptions(keyint=keyint), Fraction(24000, 1001))
    assert value_of("-g:v:0", given) == frames


def test_seconds_need_a_frame_rate() -> None:
    with pytest.raises(InputError, match="no frame rate"):
        words("libx264", EncoderOptions(keyint="10s"))


def test_its_text_is_a_command_lines() -> None:
    asked = EncoderOptions(enc=("aq-mode=3", "x=a b"), svt="tune=0", keyint="10s", scene_cut=False)
    text = "--enc aq-mode=3 --enc 'x=a b' --svt tune=0 --keyint 10s --no-scene-cut"
    assert str(asked) == text
    assert shlex.split(text)[3] == "x=a b"


@pytest.mark.parametrize("name", REFUSED.split())
def test_what_is_not_the_users_to_change_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=r"can't be given|is a list|is not KEY=VALUE"):
        EncoderOptions(enc=(f"{name}=1",))
    if "params" not in name and "opts" not in name and ":" not in name and name != "g":
        for field in ("svt", "x264", "x265", "vvenc", "aom"):
            with pytest.raises(InputError, match="can't be given"):
                EncoderOptions(**{field: f"tune=0:{name}=1"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"enc": ("aq-mode",)}, "is not KEY=VALUE"),
        ({"enc": ("-aq-mode=3",)}, "is not KEY=VALUE"),
        ({"enc": ("/aq-mode=3",)}, "is not KEY=VALUE"),
        ({"enc": ("aq-mode=",)}, "is not KEY=VALUE"),
        ({"enc": ("aq-mode=3", "aq_mode=2")}, "is given twice"),
        ({"enc": ("flags=+global_header",)}, "no use of flags"),
        ({"enc": ("tune=lossless",)}, "changes the quality"),
        ({"enc": ("rav1e-params=tiles=2:bitrate=3",)}, "changes the quality"),
        ({"svt": "tune=0:tune=1"}, "is given twice"),
        ({"svt": "tune=0;crf=3"}, "no list"),
        ({"svt": "tune='0:crf=3'"}, "no list"),
        ({"svt": "tune=0\\:crf=3"}, "no list|changes"),
        ({"svt": "tune=0::film-grain=3"}, "no list"),
        ({"svt": "tune=0 crf=3"}, "no list"),
        ({"x264": "cqm=/etc/passwd"}, "beside the video"),
        ({"x264": "cqm=..\\secret"}, "no list|beside the video"),
        ({"x265": "film-grain=grain.bin"}, "names a file"),
        ({"x265": "keyint=24", "keyint": "24"}, "says it already"),
        ({"x264": "no-scenecut", "scene_cut": True}, "can't be given|says it"),
        ({"keyint": "0"}, "no number of frames"),
        ({"keyint": "10m"}, "no number of frames"),
        ({"keyint": "-1"}, "no number of frames"),
    ],
)
def test_what_can_not_be_read_or_means_something_else_is_refused(
    options: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        EncoderOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("libx264", {"svt": "tune=0"}, "--svt goes with libsvtav1, not with libx264"),
        ("h264_nvenc", {"x264": "me=umh"}, "not with h264_nvenc"),
        ("libsvtav1", {"scene_cut": True}, "no switch"),
        ("libvpx-vp9", {"enc": ("deadline=best",)}, "can't be given"),
        ("librav1e", {"enc": ("tiles=2",)}, "no adapter"),
    ],
)
def test_what_is_not_for_the_encoder_is_refused(
    name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        encoder(name, EncoderOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_every_word_of_an_entry_is_kept_from_users(name: str) -> None:
    """Else a word given twice would leave open which of the two ffmpeg takes."""
    entry = ENCODERS[name]
    for flag in {*entry.fixed[::2], *entry.parallel[::2], *entry.knobs}:
        key = flag.lstrip("-").partition(":")[0]
        with pytest.raises(InputError, match=r"can't be given|is a list"):
            encoder(name, EncoderOptions(enc=(f"{key}=1",)))
