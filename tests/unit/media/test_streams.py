"""What goes beside the pictures, as a plan: copied, written again, left out, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vqcast.errors import InputError
from vqcast.media.encoders import AV1, H264, HEVC, Codec
from vqcast.media.streams import CONTAINERS, Stream, carry, container

VIDEO = Stream(0, "video", "h264", tags=("language", "BPS-eng", "NUMBER_OF_BYTES", "title"))


def _carry(suffix: str, *streams: Stream, codec: Codec = AV1) -> list[str]:
    return carry([VIDEO, *streams], CONTAINERS[suffix], codec=codec, encoder="an encoder")[0]


def _codec_of(words: list[str], number: int) -> str:
    return words[words.index(f"-c:{number}") + 1]


@pytest.mark.parametrize(
    ("suffix", "codec", "written"),
    [
        (".mkv", "subrip", "copy"),
        (".mkv", "mov_text", "subrip"),
        (".mkv", "hdmv_pgs_subtitle", "copy"),
        (".mp4", "subrip", "mov_text"),
        (".mp4", "mov_text", "copy"),
        (".mov", "ass", "mov_text"),
        (".webm", "subrip", "webvtt"),
        (".webm", "webvtt", "copy"),
    ],
)
def test_text_subtitles_are_written_as_the_container_has_them(
    suffix: str, codec: str, written: str
) -> None:
    made = H264 if suffix == ".mov" else AV1
    words = _carry(suffix, Stream(3, "subtitle", codec), codec=made)
    assert words[words.index("0:3") - 1] == "-map"
    assert _codec_of(words, 1) == written


@pytest.mark.parametrize(
    ("suffix", "stream"),
    [
        (".mp4", Stream(1, "audio", "pcm_s16le")),
        (".mp4", Stream(1, "audio", "dts")),
        (".mp4", Stream(1, "audio", "truehd")),
        (".webm", Stream(1, "audio", "aac")),
        (".mp4", Stream(1, "subtitle", "hdmv_pgs_subtitle")),
        (".webm", Stream(1, "subtitle", "dvd_subtitle")),
    ],
)
def test_what_the_container_can_t_hold_is_named_and_mkv_proposed(
    suffix: str, stream: Stream
) -> None:
    with pytest.raises(InputError, match=f"does not hold stream 1 .{stream.codec}") as refused:
        _carry(suffix, stream)
    assert ".mkv" in str(refused.value.hint)


def test_a_subtitle_that_mkv_can_t_hold_is_to_be_taken_out() -> None:
    with pytest.raises(InputError, match="stream 4") as refused:
        _carry(".mkv", Stream(4, "subtitle", "eia_608"))
    assert "-map -0:4" in str(refused.value.hint)


@pytest.mark.parametrize(("suffix", "codec"), [(".webm", HEVC), (".mov", AV1)])
def test_pictures_that_the_container_can_t_hold_are_refused(suffix: str, codec: Codec) -> None:
    with pytest.raises(InputError, match=f"does not hold {codec.name}, which an encoder makes"):
        _carry(suffix, codec=codec)


def test_every_stream_is_carried_in_order_or_named_as_left_out() -> None:
    streams = [
        Stream(0, "video", "mjpeg", cover=True),
        Stream(1, "video", "h264"),
        Stream(2, "audio", "aac"),
        Stream(3, "data", ""),
        Stream(4, "audio", "opus"),
        Stream(5, "attachment", "ttf"),
    ]
    words, carried, left = carry(streams, CONTAINERS[".mp4"], codec=H264, encoder="libx264")
    assert [stream.index for stream in carried] == [2, 4]
    assert [stream.index for stream in left] == [0, 3, 5]
    assert str(left[1]) == "stream 3 (data)"
    assert words[:8] == ["-map", "0:2", "-c:1", "copy", "-map", "0:4", "-c:2", "copy"]
    _, carried, _ = carry(streams, CONTAINERS[".mkv"], codec=H264, encoder="libx264")
    assert [stream.index for stream in carried] == [2, 4, 5]


def test_tags_that_tell_the_old_stream_s_size_are_dropped() -> None:
    words = _carry(".mkv")
    tags = [words[at + 1] for at, word in enumerate(words) if word == "-metadata:s:v:0"]
    assert tags == ["BPS-eng=", "NUMBER_OF_BYTES="]


def test_hevc_is_tagged_for_every_player() -> None:
    assert "hvc1" in _carry(".mp4", codec=HEVC)
    assert "hvc1" not in _carry(".mkv", codec=HEVC)


@pytest.mark.parametrize("name", ["out.avi", "out", "out.mkv.part"])
def test_another_suffix_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match="no container") as refused:
        container(Path(name))
    assert ".mkv, .mp4" in str(refused.value.hint)


def test_case_does_not_matter() -> None:
    assert container(Path("A.MKV")).muxer == "matroska"
