"""Films in every container: delivered whole, or refused with a way round that works.

What was delivered is read with plain ffmpeg and PyAV, and held beside what plain ffmpeg makes of
the source.
"""

from __future__ import annotations

import json
import random
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import av

from attacks import films
from attacks.clips import tool
from attacks.commands import Said, inside, vqcast
from attacks.count import Count, drawn, scratch

OUTPUTS = ("mkv", "mp4", "mov", "webm")
ENCODERS = {
    **dict.fromkeys(("mkv", "mp4", "mov"), (("libx264", "ultrafast"), ("libsvtav1", "13"))),
    "webm": (("libsvtav1", "13"),),
}
_HDR = (16, 18)
"""Transfers of H.273 that are PQ and HLG."""
_TIMES_US = 2100
_SOUND_S = 0.07
"""How far sound may lie off: a packet and an encoder's delay."""
_LINES_S = 0.026
"""Half a frame at 20 a second: a picture's time is rounded to the rate."""
_OPTION = re.compile(
    r"--(?:allow-larger|progressive|(?:deinterlace|audio|subtitles|drop|map) [-:\w]+)"
)
_COMMAND = re.compile(r"ffmpeg -noautorotate -i FILE .*? OUT\.mkv")


@dataclass(frozen=True)
class Found:
    """What a file holds, by other ways than vqcast's."""

    times: tuple[int, ...]
    """Of the frames that plain ffmpeg decodes, microseconds."""
    kinds: Counter[str]
    chapters: tuple[str, ...]
    early: int
    """How many of them end before the film begins."""
    languages: tuple[str, ...]
    tags: tuple[str, ...]
    """Title, timecode, and the width that a picture is shown at."""
    flags: tuple[tuple[str, bool, bool], ...]
    """Of sounds and subtitles: whether default, whether forced."""
    turned: int
    late_s: tuple[float, ...]
    """How much later than the pictures each sound begins."""
    sound_s: tuple[float, ...]
    lines_s: tuple[tuple[float, ...], ...]
    """When each line of each subtitle is shown, after the first picture."""
    colours: tuple[int, ...]
    """Primaries, transfer and matrix of the first frame (H.273)."""


def found(path: Path) -> Found | None:
    """What ``path`` holds; None where plain ffmpeg can't transcode it."""
    words = [str(tool().path), "-v", "error", "-i", f"file:{path}", "-map", "0:V:0"]
    words += ["-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-f", "framemd5", "-"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    rows = [line.split(",") for line in done.stdout.splitlines() if not line.startswith("#")]
    if done.returncode or not rows:
        return None
    times = tuple(int(row[2]) for row in rows)
    with av.open(str(path)) as opened:
        marks = opened.chapters()
        chapters = tuple(each["metadata"].get("title", "") for each in marks)
        early = sum(each["end"] * each["time_base"] * 10**6 < opened.start_time for each in marks)
        streams = list(opened.streams)
        timed = [s for s in streams if s.type in ("audio", "video", "subtitle")]
        spans = {s.index: [10.0**9, -(10.0**9)] for s in timed}
        lines: dict[int, list[float]] = {s.index: [] for s in timed if s.type == "subtitle"}
        for packet in opened.demux(timed):
            if packet.pts is not None and packet.size and not packet.is_discard:
                start, span = float(packet.pts * packet.time_base), spans[packet.stream_index]
                if packet.stream_index in lines and packet.size > _EMPTY_LINE:
                    lines[packet.stream_index].append(start)
                end = start + float((packet.duration or 0) * packet.time_base)
                begun = (opened.start_time or 0) / 1e6 + 0.001
                if packet.stream.type == "audio" and start < end <= begun:
                    continue  # a decoder's start, before the film
                spans[packet.stream_index] = [min(span[0], start), max(span[1], end)]
        sounds = [spans[s.index] for s in streams if s.type == "audio"]
        first = next(s for s in streams if s.type == "video" and not _is_cover(s))
        opened.seek(0)
        frame = next(opened.decode(first))
        start = (times[0] + (opened.start_time or 0)) / 1e6  # as ffmpeg shows it: AVI has no times
        return Found(
            times, Counter(_kind(s) for s in streams), chapters, early,
            tuple(s.metadata.get("language", "und") for s in streams if s.type == "audio"),
            _tags(opened, first, int(re.findall(r"#dimensions 0: (\d+)x", done.stdout)[0])),
            tuple(
                (s.type, bool(s.disposition & _DEFAULT), bool(s.disposition & _FORCED))
                for s in streams if s.type in ("audio", "subtitle")
            ),
            frame.rotation, tuple(each[0] - start for each in sounds),
            tuple(each[1] - each[0] for each in sounds),
            tuple(tuple(at - start for at in each) for each in lines.values()),
            tuple(map(int, (frame.color_primaries, frame.color_trc, frame.colorspace))),
        )  # fmt: skip


_EMPTY_LINE = 2
"""Bytes of a mov_text that clears the line before."""
_DEFAULT, _FORCED = av.stream.Disposition.default, av.stream.Disposition.forced


def _tags(opened: Any, video: Any, width: int) -> tuple[str, ...]:
    tags = {key.lower(): word for key, word in (*opened.metadata.items(), *video.metadata.items())}
    shown = round(width * (video.sample_aspect_ratio or 1))
    return (opened.metadata.get("title", ""), tags.get("timecode", ""), f"{shown}")


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _kind(stream: Any) -> str:
    if stream.type == "video" and _is_cover(stream):
        return "cover"
    return stream.type or "data"


def _lost(source: Found, output: Path, told: dict[str, Any], said: str) -> str:
    """What ``output`` does not hold of ``source`` and was not told; empty: it is whole."""
    got = found(output)
    if got is None:
        return "what was delivered does not decode"
    if len(got.times) != len(source.times):
        return f"{len(got.times)} of {len(source.times)} frames"
    moved = [ours - theirs for ours, theirs in zip(got.times, source.times, strict=True)]
    middle = sorted(moved)[len(moved) // 2]
    if max(abs(each - middle) for each in moved) > _TIMES_US:
        return f"frames lie up to {max(abs(each - middle) for each in moved)} us off"
    if source.colours[1] in _HDR and got.colours != source.colours:
        return f"colours {got.colours} are not the source's {source.colours}"
    fates = told["streams"]
    named = Counter(fate["kind"] for fate in fates if fate["fate"] == "left out")
    named += Counter(fate["kind"] for fate in fates if fate["written_as"] in _ELSEWHERE)
    for fate in fates:
        if fate["fate"] == "left out" and f"stream {fate['index']} " not in said:
            return f"the loss of stream {fate['index']} is not on the terminal"
    if missing := source.kinds - named - got.kinds:
        return f"streams are missing unsaid: {dict(missing)}"
    if got.chapters != source.chapters[source.early :]:
        return f"chapters {got.chapters} of {source.chapters}, {source.early} before the film"
    if source.early and f"{source.early} chapter" not in said:
        return f"the loss of {source.early} chapters is not on the terminal"
    if got.tags != source.tags:
        return f"tags {got.tags} of {source.tags}"
    if got.turned % 360 != source.turned % 360:
        return f"turned by {got.turned}, the source by {source.turned}"
    if not named["audio"] and not named["subtitle"] and not _same_flags(source, got, output, said):
        return f"flags {got.flags} of {source.flags}"
    if not named["subtitle"] and _apart(got.lines_s, source.lines_s) > _LINES_S:
        return f"subtitles' lines at {got.lines_s}, in the source {source.lines_s}"
    return _lost_of_sound(source, got, said) if not named["audio"] else ""


def _same_flags(source: Found, got: Found, output: Path, said: str) -> bool:
    """Whether players choose the same; MP4 and QuickTime mark the first where none is marked."""
    flags = list(source.flags)
    for kind in ("audio", "subtitle") if output.suffix in (".mp4", ".mov") else ():
        of_kind = [at for at, (what, _, _) in enumerate(flags) if what == kind]
        if of_kind and not any(flags[at][1] for at in of_kind):
            flags[of_kind[0]] = (kind, True, flags[of_kind[0]][2])
    if output.suffix == ".mov" and said.count(" is forced is left out") == sum(f[2] for f in flags):
        flags = [(kind, default, False) for kind, default, _ in flags]
    return got.flags == tuple(flags)


_ELSEWHERE = ("timecode", "chapters")
_SAME_LANGUAGE = {"fre": "fra", "ces": "cze"}


def _apart(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """How far lines lie apart at most, in seconds; infinity where one of them is missing."""
    if [len(each) for each in ours] != [len(each) for each in theirs]:
        return float("inf")
    pairs = zip(chain(*ours), chain(*theirs), strict=True)
    return max((abs(one - other) for one, other in pairs), default=0)


def _lost_of_sound(source: Found, got: Found, said: str) -> str:
    for ours, theirs in zip(got.languages, source.languages, strict=True):
        told = ours == "und" and f", {theirs}, is left out" in said
        if _SAME_LANGUAGE.get(theirs, theirs) != _SAME_LANGUAGE.get(ours, ours) and not told:
            return f"languages {got.languages} of {source.languages}"
    for name in ("late_s", "sound_s"):
        for ours, theirs in zip(getattr(got, name), getattr(source, name), strict=True):
            if abs(ours - theirs) > _SOUND_S:
                return f"{name} of a sound: {ours:.3f}, in the source {theirs:.3f}"
    return ""


@dataclass(frozen=True)
class Attempt:
    """One encode of one film, and what stands behind it."""

    film: Path
    source: Found
    output: Path
    encoder: tuple[str, str]
    words: tuple[str, ...] = ()
    """Options that earlier refusals named."""
    refusals: tuple[str, ...] = ()

    def encode(self) -> Said:
        """Ask vqcast for it."""
        name, preset = self.encoder
        asked = ("--encoder", name, "--preset", preset, "--target", 80, "--tolerance", 90)
        cached = ("--cache", self.output.parent / "cache", "--json")
        return vqcast("encode", self.film, "-o", self.output, *asked, *cached, *self.words)

    def fault(self) -> str:
        """What is wrong with it; ``refused: `` and its ways where that is all."""
        self.output.unlink(missing_ok=True)
        said = self.encode()
        if said.code in (0, 3):
            told = json.loads(said.out.splitlines()[-1])
            return _lost(self.source, self.output, told, said.err)
        lines = said.err.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        hints = [line for line in lines if line.startswith("next: ")]
        one = len(errors) == 1 and "Traceback" not in said.err and not self.output.exists()
        if said.code not in (2, 4) or not one:
            return f"exit {said.code}: {said.err.strip()[-300:]!r}"
        if len(hints) != 1:
            return f"no way round: {errors[0]!r}"
        return f"refused: {errors[0]} {hints[0]}"

    def outcome(self) -> str:
        """What became of it; begins with ``wrong`` where it should not have."""
        what = self.fault()
        if not what:
            return "delivered whole"
        wrong = self.ways_fail(what) if what.startswith("refused: ") else what
        if wrong:
            return f"wrong: {wrong}"
        return "refused, and every way round that is named delivers it"

    def ways_fail(self, what: str) -> str:
        """What is wrong with the ways round that a refusal names; empty: each delivers it."""
        if what in self.refusals:
            return f"does not help: {what}"
        ways = _ways(what)
        if not ways:
            return f"no way round that can be tried: {what}"
        for way in ways:
            following = self.after(way, what)
            wrong = following if isinstance(following, str) else following.fault()
            if wrong.startswith("refused: ") and not isinstance(following, str):
                wrong = following.ways_fail(wrong)  # what stood behind the first
            if wrong:
                return f"{' '.join(way)}: {wrong}; after {what}"
        return ""

    def after(self, way: tuple[str, ...], what: str) -> Attempt | str:
        """The attempt that a way round leads to, or why it leads nowhere.

        A source that is larger than its encode is no fault of it.
        """
        words = tuple(dict.fromkeys((*self.words, "--allow-larger")))
        following = replace(self, words=words, refusals=(*self.refusals, what))
        if way[:2] == ("option", "--map") and "--map" in words:  # specifiers are one list
            at = words.index("--map") + 1
            both = (*words[:at], f"{words[at]},{way[2]}", *words[at + 1 :])
            return replace(following, words=both)
        if way[0] == "option":
            return replace(following, words=(*words, *way[1:]))
        if way[0] == "container":
            return replace(following, output=self.output.with_suffix(".mkv"))
        made = self.film.with_name(f"{self.film.stem}_OUT.mkv")
        command = way[1].replace("FILE", shlex.quote(str(self.film)))
        command = command.replace("OUT.mkv", str(made))
        asked = [str(tool().path), "-v", "error", "-nostdin", "-y", *shlex.split(command)[1:]]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
        remade = found(made) if done.returncode == 0 else None
        if remade is None:
            return f"the command fails: {done.stderr[-200:]!r}"
        if len(remade.times) < len(self.source.times):
            return f"the command keeps {len(remade.times)} of {len(self.source.times)} frames"
        if lost := self.source.kinds - remade.kinds - Counter(data=9, cover=9):
            return f"the command loses {dict(lost)}"
        if remade.chapters != self.source.chapters[self.source.early :]:
            return f"the command leaves chapters {remade.chapters} of {self.source.chapters}"
        return replace(following, film=made, source=remade)


def _ways(said: str) -> list[tuple[str, ...]]:
    """Each way round that a refusal names: an option, another container, or a command."""
    hint = said.rpartition("next: ")[2]
    commands = [("command", each) for each in _COMMAND.findall(hint)]
    for _, command in commands:
        hint = hint.replace(command, "")
    options = [("option", *each.split()) for each in _OPTION.findall(hint)]
    return commands + options + ([("container",)] if "output .mkv" in hint else [])


def _attempt(film: films.Film, output: str, encoder: tuple[str, str], folder: Path) -> str:
    """What became of one film; begins with ``wrong`` where it should not have."""
    path = films.made(film, folder)
    source = found(path)
    if source is None:
        return "not transcoded by plain ffmpeg either"
    return Attempt(path, source, folder / f"output.{output}", encoder).outcome()


def every_container(n: int, rng: random.Random) -> Count:
    """``n`` drawn films, the containers in turn."""
    count = Count()
    for suffix in drawn(sorted(films.VIDEOS), n, rng):
        film, output = films.draw(suffix, rng), rng.choice(OUTPUTS)
        encoder = rng.choice(ENCODERS[output])
        with scratch() as folder, inside(folder):
            became = _attempt(film, output, encoder, folder)
        if became.startswith("wrong"):
            count.fail(f"{film} to {output} by {encoder[0]}: {became}")
        else:
            count.note(became)
    return count
