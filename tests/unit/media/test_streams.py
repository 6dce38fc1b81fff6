"""What goes beside the pictures, as a plan: copied, written again, left out, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vqcast.errors import InputError
from vqcast.media.carriage import CONTAINERS, Carriage, carry, container
from vqcast.media.encoders import AV1, H264, HEVC, Codec
from vqcast.media.streams import Stream, StreamChoice

VIDEO = Stream(0, "video", "h264", tags=("language", "BPS-eng", "NUMBER_OF_BYTES", "title"))


def _carry(suffix: str, *streams: Stream, codec: Codec = AV1) -> list[str]:
    made = carry([VIDEO, *streams], CONTAINERS[suffix], codec=codec, encoder="an encoder")
    return [*made.pictures, *made.words]


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


def test_a_subtitle_that_mkv_can_t_hold_may_be_left_out() -> None:
    strange = Stream(4, "subtitle", "eia_608")
    with pytest.raises(InputError, match="stream 4") as refused:
        _carry(".mkv", strange)
    assert "--subtitles none" in str(refused.value.hint) and "--drop" in str(refused.value.hint)
    for choice in (StreamChoice(subtitles="none"), StreamChoice(drop="unknown")):
        made = _chosen(".mkv", choice, strange)
        assert made.carried == [] and made.fates[1].fate == "left out"
        assert "stream 4 (eia_608 subtitle) is left out" in made.notes()[0]


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
    made = carry(
        streams,
        CONTAINERS[".webm"],
        codec=AV1,
        encoder="libsvtav1",
        choice=StreamChoice(audio="opus"),
    )
    assert [stream.index for stream in made.carried] == [2, 4]
    assert [each.fate for each in made.fates] == [
        "left out",
        "encoded",
        "converted",
        "left out",
        "converted",
        "left out",
    ]
    assert len(made.notes()) == 5 and "stream 3 (data)" in made.notes()[2]
    made = carry(streams, CONTAINERS[".mp4"], codec=H264, encoder="libx264")
    assert [stream.index for stream in made.carried] == [0, 2, 3, 4]
    assert made.words[:6] == ["-map", "0:0", "-c:1", "copy", "-disposition:1", "attached_pic"]
    made = carry(streams, CONTAINERS[".mp4"], codec=H264, encoder="libx264", refused={3: "no tag"})
    assert [stream.index for stream in made.carried] == [0, 2, 4]
    assert made.fates[3].reason == "no tag"
    made = carry(streams, CONTAINERS[".mkv"], codec=H264, encoder="libx264")
    assert [stream.index for stream in made.carried] == [2, 4, 5]
    assert [stream.index for stream in made.covers] == [0]
    assert made.words[-6:] == [
        "-attach",
        "cover-0.jpg",
        "-metadata:s:t:1",
        "mimetype=image/jpeg",
        "-metadata:s:t:1",
        "filename=cover.jpg",
    ]


def _chosen(suffix: str, choice: StreamChoice, *streams: Stream) -> Carriage:
    target = CONTAINERS[suffix]
    codec = AV1 if suffix == ".webm" else H264
    return carry([VIDEO, *streams], target, codec=codec, encoder="an encoder", choice=choice)


SOUNDS = (Stream(1, "audio", "dts"), Stream(2, "audio", "ac3"))


def test_sound_is_encoded_with_its_bitrate_and_channels() -> None:
    choice = StreamChoice(audio="aac", audio_bitrate="96k", downmix=2)
    words = _chosen(".mp4", choice, *SOUNDS).words
    assert words[:8] == ["-map", "0:1", "-c:1", "aac", "-b:1", "96k", "-ac:1", "2"]
    assert _codec_of(words, 2) == "aac"
    words = _chosen(".webm", StreamChoice(audio="opus"), *SOUNDS).words
    assert _codec_of(words, 2) == "libopus" and words.count("-filter:1") == 1
    assert _chosen(".webm", StreamChoice(audio="none"), *SOUNDS).words == []
    with pytest.raises(InputError, match="does not hold aac"):
        _chosen(".webm", StreamChoice(audio="aac"), *SOUNDS)


@pytest.mark.parametrize(
    ("specifiers", "kept"),
    [
        ("0:v:0,0:a:1", [0, 2]),
        ("-0:a:0", [0, 2, 3, 4]),
        ("0:v,0:s", [0, 3, 4]),
        ("0,2", [0, 2]),
        ("v,-4", [0]),
        ("0:v:0,0:d?", [0]),
    ],
)
def test_streams_are_chosen_by_ffmpeg_s_specifiers(specifiers: str, kept: list[int]) -> None:
    streams = [VIDEO, *SOUNDS, Stream(3, "subtitle", "subrip"), Stream(4, "video", "h264")]
    chosen = StreamChoice(map=specifiers).select(streams)
    assert [stream.index for stream in chosen] == kept


@pytest.mark.parametrize("specifiers", ["0:a:5", "9", "0:d"])
def test_a_specifier_that_names_no_stream_is_refused(specifiers: str) -> None:
    with pytest.raises(InputError, match="no such stream"):
        StreamChoice(map=specifiers).select([VIDEO])


@pytest.mark.parametrize(
    "asked",
    [{"map": "x:1"}, {"audio": "mp3"}, {"subtitles": "burn"}, {"drop": "all"},
     {"audio_bitrate": "loud"}, {"downmix": 0}],
)  # fmt: skip
def test_a_choice_that_is_none_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        StreamChoice(**asked)


def test_a_second_video_is_copied_where_the_container_holds_it() -> None:
    second = Stream(1, "video", "mpeg2video")
    assert _chosen(".mkv", StreamChoice(), second).fates[1].fate == "copied"
    with pytest.raises(InputError, match="mpeg2video") as refused:
        _chosen(".mp4", StreamChoice(), second)
    assert "--map" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("suffix", "language", "kept"),
    [
        (".mkv", "pt-BR", "pt-BR"), (".mp4", "fre", "fre"), (".mp4", "de", None),
        (".mov", "fre", "fra"), (".mov", "cze", "ces"), (".mov", "deu", "ger"),
        (".mov", "jpn", "jpn"), (".mov", "hrv", None), (".webm", "hrv", "hrv"),
    ],
)  # fmt: skip
def test_a_language_is_kept_or_told(suffix: str, language: str, kept: str | None) -> None:
    sound = Stream(1, "audio", "opus" if suffix == ".webm" else "aac", language=language)
    made = _chosen(suffix, StreamChoice(), sound)
    written = f"language={kept}"
    assert (written in made.words) == (kept is not None and kept != language)
    assert (f"the language of stream 1, {language}, is left out" in " ".join(made.notes())) == (
        kept is None
    )


def test_a_timecode_track_is_written_again_from_its_tag() -> None:
    film = Stream(0, "video", "h264", tags=("timecode",))
    track = Stream(1, "data", "", tags=("timecode",))
    for suffix in (".mov", ".mkv"):
        made = carry([film, track], CONTAINERS[suffix], codec=H264, encoder="libx264")
        assert made.carried == [] and made.fates[1].written_as == "timecode"


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
