"""The adapter table: ranges, presets, formats and devices of every encoder, and golden lines.

A golden line is ``encoder cq preset depth: arguments``, ``-`` for no preset,
IN and OUT for the files. Those of the software encoders are part of the
content key of every measured cell: they never change.
"""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import pytest

from vqcast.errors import InputError
from vqcast.media.encoders import ENCODERS, Encoder, encoder, videotoolbox_quality
from vqcast.media.options import EncoderOptions
from vqcast.vocab import PRESETS, UNKNOWN, VOCABULARIES

GOLDEN = Path(__file__).parents[2] / "golden" / "encoders"
SIX = ("libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc")
HARDWARE = (
    *("h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_qsv", "hevc_qsv", "av1_qsv"),
    *("h264_amf", "hevc_amf", "av1_amf", "h264_videotoolbox", "hevc_videotoolbox"),
    *("h264_vaapi", "hevc_vaapi", "av1_vaapi"),
)
ALL = SIX + HARDWARE
WITHOUT_PRESETS = tuple(name for name in HARDWARE if "videotoolbox" in name or "vaapi" in name)
WITH_PRESETS = tuple(name for name in ALL if name not in WITHOUT_PRESETS)


def golden_lines(*stems: str) -> list[str]:
    paths = [GOLDEN / f"{stem}.txt" for stem in stems] or sorted(GOLDEN.glob("*.txt"))
    return [line for path in paths for line in path.read_text().splitlines()]


def arguments(entry: Encoder, cq: float, preset: str | None, depth: int) -> list[str]:
    return [*entry.before_input, "-i", "IN", *entry.options(cq, preset, depth), "OUT"]


def test_the_table_holds_the_software_encoders_and_then_the_hardware() -> None:
    assert tuple(ENCODERS) == ALL
    assert {name for name, entry in ENCODERS.items() if entry.device} == set(HARDWARE)


def test_the_table_holds_every_encoder_of_every_vocabulary() -> None:
    version_1 = {"x264": "libx264", "x265": "libx265"}
    slots = {version_1.get(slot, slot) for slots in VOCABULARIES.values() for slot in slots}
    assert slots - {UNKNOWN} <= set(ENCODERS)
    assert set(ENCODERS) - slots == {"h264_vaapi", "hevc_vaapi", "av1_vaapi"}


@pytest.mark.parametrize("line", golden_lines())
def test_arguments_are_those_of_the_golden_lines(line: str) -> None:
    what, _, words = line.partition(": ")
    name, cq, preset, depth = what.split()
    given = None if preset == "-" else preset
    assert shlex.join(arguments(encoder(name), float(cq), given, int(depth))) == words


def test_golden_lines_cover_every_encoder_its_depths_and_the_ends_of_its_scale() -> None:
    seen = {tuple(line.partition(": ")[0].split()) for line in golden_lines()}
    for name, entry in ENCODERS.items():
        lines = [cell for cell in seen if cell[0] == name]
        assert f"{entry.cq_max:g}" in {cq for _, cq, _, _ in lines}
        depths = {"8"} if entry.pix_fmt_10 is None else {"8", "10"}
        assert {depth for _, _, _, depth in lines} == depths
    assert len(golden_lines("software")) == 24


@pytest.mark.parametrize("name", WITH_PRESETS)
def test_each_entry_agrees_with_the_frozen_presets(name: str) -> None:
    entry = encoder(name)
    assert entry.presets == PRESETS[name]
    assert entry.default_preset in entry.presets


@pytest.mark.parametrize("name", WITHOUT_PRESETS)
def test_an_encoder_without_presets_has_none_and_takes_none(name: str) -> None:
    entry = encoder(name)
    assert (entry.presets, entry.default_preset, entry.preset_option) == ((), None, None)
    assert name not in PRESETS
    assert "-preset" not in entry.options(30, None, 8)
    with pytest.raises(InputError, match=f"{name} has no presets, so not 'medium'"):
        entry.options(30, "medium", 8)


@pytest.mark.parametrize("name", ALL)
def test_the_ends_of_the_scale_are_in_and_beyond_is_refused(name: str) -> None:
    entry = encoder(name)
    entry.check(entry.cq_min, entry.default_preset)
    entry.check(entry.middle, entry.default_preset)
    entry.check(entry.cq_max, entry.default_preset)
    for cq in (entry.cq_min - entry.cq_step, entry.cq_max + entry.cq_step, math.nan, math.inf):
        with pytest.raises(InputError, match="outside"):
            entry.check(cq, entry.default_preset)


@pytest.mark.parametrize(
    ("name", "cq"),
    [("libx264", 23.45), ("libsvtav1", 30.3), ("libaom-av1", 30.5), ("h264_nvenc", 19.5)],
)
def test_a_quality_between_two_steps_is_refused(name: str, cq: float) -> None:
    with pytest.raises(InputError, match="not a multiple"):
        encoder(name).check(cq, encoder(name).default_preset)


def test_svt_av1_is_told_quarter_steps_in_its_own_list() -> None:
    entry = encoder("libsvtav1")
    whole, quarter = (entry.options(cq, "8", 8) for cq in (36, 36.25))
    assert set(whole) - set(quarter) == {"lp=1"}
    assert quarter[quarter.index("-crf") + 1] == "36"
    assert quarter[quarter.index("-svtav1-params") + 1] == "lp=1:crf=36.25"


@pytest.mark.parametrize(
    ("given", "depth", "made", "scored"),
    [
        (EncoderOptions(), 8, "yuv420p", 8),
        (EncoderOptions(depth=10), 8, "yuv420p10le", 10),
        (EncoderOptions(depth=8), 10, "yuv420p", 10),
        (EncoderOptions(pix_fmt="yuv444p"), 8, "yuv444p", 8),
        (EncoderOptions(pix_fmt="yuv422p12le"), 8, "yuv422p12le", 10),
    ],
)
def test_depth_and_format_are_as_asked(
    given: EncoderOptions, depth: int, made: str, scored: int
) -> None:
    entry = encoder("libx265", given)
    options = entry.options(28, "fast", depth)
    assert options[options.index("-pix_fmt") + 1] == made == entry.pix_fmt(depth)
    assert entry.scoring_depth(depth) == scored


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("libvvenc", EncoderOptions(depth=8), "10 bits a sample alone"),
        ("h264_qsv", EncoderOptions(pix_fmt="yuv420p"), "its own pixel formats"),
    ],
)
def test_a_depth_or_format_that_can_not_be_is_refused(
    name: str, given: EncoderOptions, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        encoder(name, given)


def test_every_step_of_a_tenth_is_taken_and_said_without_noise() -> None:
    entry = encoder("libx264")
    for tenth in range(511):
        options = entry.options(tenth * 0.1, "medium", 8)
        assert float(options[options.index("-crf") + 1]) == pytest.approx(tenth / 10, abs=1e-9)


@pytest.mark.parametrize("name", WITH_PRESETS)
def test_an_unknown_preset_is_refused_with_the_list(name: str) -> None:
    for preset in ("p9", None):
        with pytest.raises(InputError, match=f"{name} has no preset {preset!r}") as refused:
            encoder(name).options(30, preset, 8)
        assert ", ".join(PRESETS[name]) in str(refused.value.hint)


def test_an_unknown_encoder_is_refused_with_the_table() -> None:
    with pytest.raises(InputError, match="'prores_ks'") as refused:
        encoder("prores_ks")
    assert all(name in str(refused.value.hint) for name in ALL)


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize(("depth", "pix_fmt"), [(8, "yuv420p"), (10, "yuv420p10le")])
def test_options_say_encoder_preset_quality_threads_and_depth(
    name: str, depth: int, pix_fmt: str
) -> None:
    entry = encoder(name)
    options = entry.options(30, entry.default_preset, depth)
    assert options[:2] == ["-c:v", name]
    assert entry.preset_option is not None
    assert options[options.index(entry.preset_option) + 1] == entry.default_preset
    assert options[options.index(entry.knobs[0]) + 1] == "30"
    assert options[-2:] == ["-pix_fmt", "yuv420p10le" if name == "libvvenc" else pix_fmt]
    assert any(word in " ".join(options) for word in ("-threads 1", "lp=1", "pools=none"))
    assert options == entry.options(30.0, entry.default_preset, depth)
    assert entry.before_input == ()


@pytest.mark.parametrize("name", [name for name in HARDWARE if name.startswith("h264")])
def test_hardware_h264_is_8_bits_alone_and_says_so(name: str) -> None:
    entry = encoder(name)
    with pytest.raises(InputError, match=f"{name} encodes 8 bits a sample, not 10"):
        entry.options(30, entry.default_preset, 10)


@pytest.mark.parametrize(
    ("cq", "q"),
    [(0, 100), (1, 98), (30, 40), (49, 2), (49.5, 1), (49.9, 1), (50, 50), (51, 51), (100, 100)],
)
def test_videotoolbox_s_quality_is_the_contract_s_formula(cq: float, q: float) -> None:
    assert videotoolbox_quality(cq) == pytest.approx(q)


# What ffmpeg 9.0.2 said on a machine without any of the devices, cut short.
NO_NVIDIA = """\
[h264_nvenc @ 0x55acaef9f900] Cannot load libcuda.so.1
[vost#0:0/h264_nvenc @ 0x55] [enc:h264_nvenc @ 0x55] Error while opening encoder - maybe incorrect
[out#0/null @ 0x55] Nothing was written into output file
"""
NO_QSV = """\
implib-gen: libva-drm.so.2: failed to load library 'libva-drm.so.2' via dlopen: libva-drm.so.2: \
cannot open shared object file: No such file or directory
ffmpeg-linux-x86_64-v9.0.2: libva-drm.so.2.init.c:122: load_library: Assertion failed.
"""
NO_AMF = """\
[AMF @ 0x7ff7200679c0] DLL libamfrt64.so.1 failed to open
[h264_amf @ 0x564cf31b0c80] Failed to create  hardware device context (AMF) : Unknown error
"""
NO_VAAPI = """\
[VAAPI @ 0x557cebd59fc0] No VA display found for device /dev/dri/renderD128.
Device creation failed: -22.
"""
NOT_BUILT = """\
[vost#0:0 @ 0x5644455dbf80] Unknown encoder 'hevc_videotoolbox'
Error opening output files: Encoder not found
"""


@pytest.mark.parametrize(
    ("name", "said", "why"),
    [
        ("h264_nvenc", NO_NVIDIA, "no NVIDIA driver (libcuda.so.1)"),
        ("av1_qsv", NO_QSV, "no Intel media driver (libva-drm.so.2)"),
        ("h264_qsv", "[x] Error creating a MFX session: -9.", "no Quick Sync runtime"),
        ("hevc_amf", NO_AMF, "no AMD AMF runtime (libamfrt64.so.1)"),
        ("av1_vaapi", NO_VAAPI, "no VA-API device (/dev/dri/renderD128)"),
        ("hevc_videotoolbox", NOT_BUILT, "this ffmpeg is built without it"),
        ("libx265", NOT_BUILT, "this ffmpeg is built without it"),
        ("h264_nvenc", "[a @ 0x1] No capable devices found", "the NVIDIA GPU has no such encoder"),
        ("libx264", "\n[a @ 0x1] [b @ 0x2] Out of memory\nmore", "Out of memory"),
        ("libx264", "", "ffmpeg failed and said nothing"),
        ("h264_amf", "x" * 500, "x" * 99 + "…"),
    ],
)
def test_what_is_missing_is_said_in_a_few_words(name: str, said: str, why: str) -> None:
    assert encoder(name).why_not(said) == why
