"""What encoders are told of HDR, and what is said of what they left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vqcast.errors import InputError
from vqcast.media.encoders import ENCODERS, encoder
from vqcast.media.hdr import UNSAID, DolbyVision, Light, Mastering
from vqcast.media.keep_hdr import (
    compared,
    keep_dolby_vision,
    left_out,
    notes,
    tags,
    told,
    with_room,
)
from vqcast.media.options import EncoderOptions

P3 = Mastering((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), (4000.0, 0.005))
HDR10 = Light(16, 9, 9, False, mastering=P3, level=(1000, 400))
NOTHING = Light(UNSAID, UNSAID, UNSAID, None)
SAID = {
    "libx265": (
        "-x265-params",
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"
        ":max-cll=1000,400",
    ),
    "libx264": (
        "-x264-params",
        "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"
        ":cll=1000,400",
    ),
    "libsvtav1": (
        "-svtav1-params",
        "mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)"
        "WP(0.31270,0.32900)L(4000.0000,0.0050):content-light=1000,400",
    ),
    "libvvenc": (
        "-vvenc-params",
        "MasteringDisplayColourVolume=13250,34500,7500,3000,34000,16000,15635,16450,40000000,50"
        ":MaxContentLightLevel=1000,400",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_each_library_is_told_in_its_own_units(name: str) -> None:
    flag, words = SAID[name]
    entry = encoder(name)
    options = told(entry.options(30, entry.default_preset, 10), entry, HDR10, 10)
    assert options[options.index(flag) + 1].endswith(words)
    assert options.count(flag) == 1


@pytest.mark.parametrize("name", [name for name, entry in ENCODERS.items() if entry.pix_fmt_10])
def test_without_metadata_no_encoder_is_told_any(name: str) -> None:
    entry = encoder(name)
    plain = entry.options(30, entry.default_preset, 10)
    assert told(plain, entry, replace(HDR10, mastering=None, level=None), 10) == plain


def test_what_a_user_adds_stays() -> None:
    entry = encoder("libx265", EncoderOptions(x265="aq-mode=3"))
    options = told(entry.options(30, "medium", 10), entry, HDR10, 10)
    parameters = options[options.index("-x265-params") + 1].split(":")
    assert "aq-mode=3" in parameters and "max-cll=1000,400" in parameters


def test_colours_that_nothing_names_are_numbers_and_those_not_said_are_left_alone() -> None:
    assert tags(replace(HDR10, primaries=22, matrix=UNSAID, full_range=None)) == (
        "setparams=color_primaries=22:color_trc=smpte2084"
    )


def test_av1_may_round_and_another_display_is_another() -> None:
    rounded = Mastering(
        (0.68, 0.31999, 0.26501, 0.69, 0.15, 0.06001, 0.31269, 0.32899), (4000.0, 82 / 16384)
    )
    assert P3.is_like(rounded)
    assert not P3.is_like(replace(P3, luminance=(1000.0, 0.005)))
    assert not P3.is_like(replace(P3, colours=(0.708, 0.292, *P3.colours[2:])))


def test_a_loss_is_said_and_what_the_container_alone_has() -> None:
    film = replace(HDR10, hdr10_plus=True, dolby_vision=DolbyVision(8, True))
    bare = replace(film, mastering=None, level=None, hdr10_plus=False, dolby_vision=None)
    container = replace(HDR10, trc=1)
    found = compared(film, bare, container)
    assert {fact.name: fact.kept for fact in found.facts} == {
        "primaries": "both", "transfer": "stream", "matrix": "both", "range": "both",
        "mastering display": "container", "content light level": "container",
        "Dolby Vision": "no", "HDR10+": "no",
    }  # fmt: skip
    assert notes(found, "libx265") == [
        "transfer is in the stream alone: the container says bt709",
        "mastering display is in the container alone: the stream of libx265 does not hold it",
        "content light level is in the container alone: the stream of libx265 does not hold it",
        "HDR10+ (ST 2094-40) is lost: the output does not say it",
    ]
    wrong = compared(film, replace(bare, trc=1), NOTHING)
    assert "transfer (smpte2084) is lost: the output says bt709" in notes(wrong, "libx265")


def test_a_second_layer_is_not_kept_and_room_is_made_once() -> None:
    film = replace(HDR10, dolby_vision=DolbyVision(7, True))
    with pytest.raises(InputError, match="profile 7 has a second layer"):
        keep_dolby_vision(film, encoder("libx265"), "mp4", can=True)
    film = replace(HDR10, dolby_vision=DolbyVision(8, True))
    assert keep_dolby_vision(film, encoder("libx265"), "mp4", can=True, chain="hqdn3d=2:1")
    with pytest.raises(InputError, match="--crop cuts off"):
        keep_dolby_vision(film, encoder("libx265"), "mp4", can=True, chain="crop=1920:800:0:140")
    given = EncoderOptions(x265="aq-mode=3")
    room = with_room(given, "libx265", 3840 * 2160)
    assert room.x265 == "aq-mode=3:vbv-maxrate=100000:vbv-bufsize=100000"
    assert with_room(room, "libx265", 100) == room
    assert with_room(given, "libsvtav1", 100) == given


@pytest.mark.parametrize(("trc", "base"), [(16, "HDR10"), (18, "HLG"), (1, "SDR")])
def test_which_base_layer_is_encoded_is_said(trc: int, base: str) -> None:
    film = replace(HDR10, trc=trc, dolby_vision=DolbyVision(8, True))
    assert f"its {base} base layer" in left_out(film)[0]
    assert left_out(HDR10) == []
