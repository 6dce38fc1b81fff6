"""The frozen vocabularies, preset lists and the codec block, against values written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import InputError, UnknownEncoderError
from vqcast.vocab import (
    AUTHORITATIVE_VERSION,
    FEATURES,
    PRESETS,
    VOCABULARIES,
    codec_block,
    codec_block_layout,
    crf_norm,
    preset_norm,
    recorded_preset,
    slot_of,
    varied_encoders,
)

V1 = "x264 x265 libsvtav1 libvvenc libvpx-vp9 unknown"
V2 = (
    "libx264 libx265 libsvtav1 libvvenc libvpx-vp9 h264_nvenc hevc_nvenc av1_nvenc "
    "h264_qsv hevc_qsv av1_qsv unknown"
)
V3 = (
    "libx264 libaom-av1 libx265 h264_nvenc hevc_nvenc av1_nvenc h264_amf hevc_amf av1_amf "
    "h264_qsv hevc_qsv av1_qsv libvvenc libsvtav1 h264_videotoolbox hevc_videotoolbox"
)
X26X = "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo"
NVENC = "p1 p2 p3 p4 p5 p6 p7"
QSV = "veryfast faster fast medium slow slower veryslow"
FROZEN_PRESETS = {
    "libx264": X26X,
    "libx265": X26X,
    "libsvtav1": "13 12 11 10 9 8 7 6 5 4 3 2 1 0",
    "libaom-av1": "8 7 6 5 4 3 2 1 0",
    "libvpx-vp9": "8 7 6 5 4 3 2 1 0",
    "libvvenc": "faster fast medium slow slower",
    "h264_nvenc": NVENC,
    "hevc_nvenc": NVENC,
    "av1_nvenc": NVENC,
    "h264_qsv": QSV,
    "hevc_qsv": QSV,
    "av1_qsv": QSV,
    "h264_amf": "speed balanced quality",
    "hevc_amf": "speed balanced quality",
    "av1_amf": "speed balanced quality",
}


def test_feature_order_is_canonical_6() -> None:
    assert (
        *("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3"),
        "motion2",
    ) == FEATURES


@pytest.mark.parametrize(("version", "slots", "count"), [(1, V1, 6), (2, V2, 12), (3, V3, 16)])
def test_published_vocabularies_are_golden(version: int, slots: str, count: int) -> None:
    assert VOCABULARIES[version] == tuple(slots.split())
    assert len(VOCABULARIES[version]) == len(set(VOCABULARIES[version])) == count


def test_version_2_is_authoritative() -> None:
    assert AUTHORITATIVE_VERSION == 2


def test_a_version_after_3_only_appends() -> None:
    for version in range(4, max(VOCABULARIES) + 1):
        before = VOCABULARIES[version - 1]
        assert VOCABULARIES[version][: len(before)] == before


def test_preset_lists_are_frozen() -> None:
    assert {name: " ".join(presets) for name, presets in PRESETS.items()} == FROZEN_PRESETS


@pytest.mark.parametrize("encoder", sorted(FROZEN_PRESETS))
def test_preset_norm_runs_from_fastest_0_to_slowest_1(encoder: str) -> None:
    norms = [preset_norm(encoder, preset) for preset in FROZEN_PRESETS[encoder].split()]
    assert norms[0] == 0.0
    assert norms[-1] == 1.0
    assert np.allclose(np.diff(norms), 1 / (len(norms) - 1))


@pytest.mark.parametrize(
    ("encoder", "preset"),
    [("libx264", None), ("h264_videotoolbox", None), ("h264_videotoolbox", "any"), ("prores", "x")],
)
def test_preset_norm_is_one_half_without_a_preset_or_a_list(
    encoder: str, preset: str | None
) -> None:
    assert preset_norm(encoder, preset) == 0.5


def test_a_preset_outside_the_list_is_refused_with_the_list() -> None:
    with pytest.raises(InputError, match="libx264 has no preset 'p4'") as refused:
        preset_norm("libx264", "p4")
    assert refused.value.hint is not None
    assert "ultrafast, superfast" in refused.value.hint


@pytest.mark.parametrize(
    ("cq", "norm"), [(19, 0.0), (25, 1 / 3), (37, 1.0), (13, -1 / 3), (46, 1.5)]
)
def test_crf_norm_is_linear_and_not_clipped(cq: float, norm: float) -> None:
    assert crf_norm(cq, 19, 37) == pytest.approx(norm)


def test_crf_norm_of_a_single_value_is_one_half() -> None:
    assert crf_norm(28, 28, 28) == 0.5
    assert crf_norm(40, 28, 28) == 0.5


def test_codec_block_of_version_2_by_hand() -> None:
    block = codec_block(
        ["libx264", "h264_nvenc", "libaom-av1"],
        ["medium", "p4", None],
        [28, 19, 41],
        VOCABULARIES[2],
        19,
        37,
    )
    expected = np.zeros((3, 14), dtype=np.float32)
    expected[0, 0], expected[0, 12], expected[0, 13] = 1, 5 / 9, 0.5
    expected[1, 5], expected[1, 12], expected[1, 13] = 1, 0.5, 0
    expected[2, 11], expected[2, 12], expected[2, 13] = 1, 0.5, 22 / 18
    assert block.dtype == np.float32
    assert np.array_equal(block, expected)


def test_codec_block_of_version_3_by_hand() -> None:
    block = codec_block(
        ["libaom-av1", "hevc_videotoolbox"], ["6", None], [20, 30], VOCABULARIES[3], 20, 60
    )
    expected = np.zeros((2, 18), dtype=np.float32)
    expected[0, 1], expected[0, 16], expected[0, 17] = 1, 0.25, 0
    expected[1, 15], expected[1, 16], expected[1, 17] = 1, 0.5, 0.25
    assert np.array_equal(block, expected)


def test_codec_block_refuses_columns_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        codec_block(["libx264"], [], [28], VOCABULARIES[2], 19, 37)


@pytest.mark.parametrize("version", [1, 2])
def test_foreign_encoder_goes_to_the_unknown_slot(version: int) -> None:
    vocabulary = VOCABULARIES[version]
    assert slot_of("prores_ks", vocabulary) == vocabulary.index("unknown") == len(vocabulary) - 1


def test_version_1_names_are_not_those_of_ffmpeg() -> None:
    assert slot_of("libx264", VOCABULARIES[1]) == 5
    assert slot_of("x264", VOCABULARIES[1]) == 0


def test_version_3_refuses_a_foreign_encoder_and_lists_the_vocabulary() -> None:
    with pytest.raises(UnknownEncoderError) as refused:
        codec_block(["libvpx-vp9"], [None], [30], VOCABULARIES[3], 20, 60)
    assert "libvpx-vp9" in refused.value.message
    assert ", ".join(V3.split()) in refused.value.message


@pytest.mark.parametrize("version", [1, 2, 3])
def test_layout_names_every_column(version: int) -> None:
    layout = codec_block_layout(VOCABULARIES[version])
    block = codec_block(["libx265"], [None], [30], VOCABULARIES[version], 20, 60)
    assert layout == [
        *(f"encoder_onehot[{name}]" for name in VOCABULARIES[version]),
        "preset_norm",
        "crf_norm",
    ]
    assert block.shape == (1, len(layout))


def test_layout_of_version_2_has_14_columns_and_of_version_3_has_18() -> None:
    assert [len(codec_block_layout(VOCABULARIES[v])) for v in (2, 3)] == [14, 18]


DOCUMENT = (Path(__file__).parents[2] / "docs" / "vocabulary.md").read_text()


@pytest.mark.parametrize("version", sorted(VOCABULARIES))
def test_the_document_has_each_vocabulary_word_for_word(version: int) -> None:
    slots = VOCABULARIES[version]
    assert f"| {version} ({len(slots)}) | {', '.join(slots)} |\n" in DOCUMENT


def test_the_document_has_each_preset_list_word_for_word() -> None:
    head, _, table = DOCUMENT.partition("| encoder | presets, fastest first |\n|---|---|\n")
    assert head
    written = {}
    for line in table.partition("\n\n")[0].splitlines():
        _, names, presets, _ = line.split("|")
        for name in names.strip().split(", "):
            written[name] = tuple(presets.strip().split(", "))
    assert written == PRESETS


def test_version_3_is_no_extension_of_version_2() -> None:
    assert VOCABULARIES[3][:11] != VOCABULARIES[2][:11]
    assert "libvpx-vp9" not in VOCABULARIES[3]
    assert "unknown" not in VOCABULARIES[3]


@pytest.mark.parametrize("encoder", ["h264_vaapi", "hevc_vaapi", "av1_vaapi"])
def test_vaapi_has_no_slot_and_no_preset_list(encoder: str) -> None:
    assert slot_of(encoder, VOCABULARIES[2]) == 11
    with pytest.raises(UnknownEncoderError):
        slot_of(encoder, VOCABULARIES[3])
    assert preset_norm(encoder, None) == 0.5


def test_a_preset_that_never_varied_within_an_encoder_is_one_half() -> None:
    encoders = ["libx264", "libx264", "libx265", "libx265", "libsvtav1"]
    presets = ["fast", "medium", "medium", "medium", None]
    varied = varied_encoders(zip(encoders, presets, strict=True))
    assert varied == {"libx264"}
    block = codec_block(encoders, presets, [28] * 5, VOCABULARIES[2], 18, 38, varied)
    assert block[:, -2].tolist() == pytest.approx([4 / 9, 5 / 9, 0.5, 0.5, 0.5])


def test_another_encoders_preset_counts_as_not_recorded() -> None:
    """Pooled corpora of other tools write x264's words for every encoder."""
    assert recorded_preset("libsvtav1", "medium") is None
    assert recorded_preset("libx265", "medium") == "medium"
    pairs = [("libsvtav1", "medium"), ("libsvtav1", "slow"), ("libsvtav1", None)]
    assert varied_encoders(pairs) == frozenset()
    assert varied_encoders([*pairs, ("libsvtav1", "8")]) == {"libsvtav1"}
    block = codec_block(["libsvtav1"], ["medium"], [28], VOCABULARIES[2], 18, 38)
    assert block[0, -2] == 0.5
