"""The adapter table: ranges, presets and fixed threads of the six software encoders."""

from __future__ import annotations

import math

import pytest

from vqcast.errors import InputError
from vqcast.media.encoders import ENCODERS, encoder
from vqcast.vocab import PRESETS, VOCABULARIES

SIX = ("libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc")


def test_the_table_holds_the_six_software_encoders() -> None:
    assert tuple(ENCODERS) == SIX


@pytest.mark.parametrize("name", SIX)
def test_each_entry_agrees_with_the_frozen_presets(name: str) -> None:
    entry = encoder(name)
    assert entry.presets == PRESETS[name]
    assert entry.default_preset in entry.presets
    assert name in VOCABULARIES[2] or name in VOCABULARIES[3]


@pytest.mark.parametrize("name", SIX)
def test_the_ends_of_the_scale_are_in_and_beyond_is_refused(name: str) -> None:
    entry = encoder(name)
    entry.check(entry.cq_min, entry.default_preset)
    entry.check(entry.cq_max, entry.default_preset)
    for cq in (entry.cq_min - entry.cq_step, entry.cq_max + entry.cq_step, math.nan, math.inf):
        with pytest.raises(InputError, match="outside"):
            entry.check(cq, entry.default_preset)


@pytest.mark.parametrize(("name", "cq"), [("libx264", 23.45), ("libsvtav1", 30.5)])
def test_a_quality_between_two_steps_is_refused(name: str, cq: float) -> None:
    with pytest.raises(InputError, match="not a multiple"):
        encoder(name).check(cq, encoder(name).default_preset)


def test_every_step_of_a_tenth_is_taken_and_said_without_noise() -> None:
    entry = encoder("libx264")
    for tenth in range(511):
        options = entry.options(tenth * 0.1, "medium", 8)
        assert float(options[options.index("-crf") + 1]) == pytest.approx(tenth / 10, abs=1e-9)


@pytest.mark.parametrize("name", SIX)
def test_an_unknown_preset_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(InputError, match="no preset 'p4'") as refused:
        encoder(name).options(30, "p4", 8)
    assert ", ".join(PRESETS[name]) in str(refused.value.hint)


def test_an_unknown_encoder_is_refused_with_the_table() -> None:
    with pytest.raises(InputError, match="'h264_nvenc'") as refused:
        encoder("h264_nvenc")
    assert all(name in str(refused.value.hint) for name in SIX)


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize(("depth", "pix_fmt"), [(8, "yuv420p"), (10, "yuv420p10le")])
def test_options_say_encoder_preset_quality_threads_and_depth(
    name: str, depth: int, pix_fmt: str
) -> None:
    entry = encoder(name)
    options = entry.options(30, entry.default_preset, depth)
    assert options[:2] == ["-c:v", name]
    assert options[options.index(entry.preset_option) + 1] == entry.default_preset
    assert options[options.index(entry.knob) + 1] == "30"
    assert options[-2:] == ["-pix_fmt", "yuv420p10le" if name == "libvvenc" else pix_fmt]
    assert any(word in " ".join(options) for word in ("-threads 1", "lp=1", "pools=none"))
    assert options == entry.options(30.0, entry.default_preset, depth)
