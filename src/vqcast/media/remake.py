"""The command by which a user makes a film that is taken of one that is refused."""

from __future__ import annotations

from pathlib import Path

from vqcast.errors import MediaError
from vqcast.media.carriage import CONTAINERS, TEXT
from vqcast.media.streams import Stream, inventory, pictures


def remake(path: Path, graph: str) -> str:
    """A command of ffmpeg that filters the pictures by ``graph`` and writes them without loss.

    All that Matroska holds goes with them, as it is: chapters, sound, subtitles, attachments.
    Pictures keep their rotation beside them, since ``graph`` is meant for them as they are coded.
    Covers, which ffmpeg would write as videos, are left out.
    """
    try:
        streams = inventory(path)
    except MediaError:  # a headerless file
        streams = []
    main, holds = pictures(streams), CONTAINERS[".mkv"]
    out = [f"-map -0:{each.index}" for each in streams if each is not main and not _held(each)]
    text, number = [], 0
    for stream in streams:
        if stream.kind == "subtitle" and _held(stream):
            if stream.codec not in holds.subtitles:
                text.append(f"-c:s:{number} {holds.subtitle}")
            number += 1
    words = ["ffmpeg -noautorotate -i FILE -map 0", *out, "-c copy -c:v:0 ffv1", *text]
    return " ".join([*words, f"-filter:v:0 {graph} OUT.mkv"])


def _held(stream: Stream) -> bool:
    """Whether ffmpeg writes it to Matroska, as what it is."""
    if stream.kind == "subtitle":
        return stream.codec in CONTAINERS[".mkv"].subtitles | TEXT
    known = bool(stream.codec) or stream.kind == "attachment"
    return known and stream.kind != "data" and not stream.cover
