"""One encode to make and score, and its identity.

A cell's key is the digest of all that its numbers depend on: the source's
bytes, how they are read and which frames of them, the encoder's arguments, the
score's filter with models and size, and ffmpeg itself. Names and groups are not
among them, so a renamed file or a new group costs no encode, and a file of the
same name that changed is another cell::

    Cell(source, "libx264", "medium", 28.0).key(tool.sha256)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vqcast.documents import jsontext
from vqcast.durable.files import sha256_bytes
from vqcast.media import argv, beside, measure
from vqcast.media.encoders import encoder
from vqcast.media.inputs import Segment, Video
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.source import Source
from vqcast.media.threads import Threads


@dataclass(frozen=True, slots=True)
class Cell:
    """One source with one encoder, preset and quality: a corpus's cell, or a tuning's probe."""

    source: Source
    encoder: str
    preset: str | None
    """None: the encoder has no presets."""
    cq: float
    segment: Segment | None = None
    """The stretch that is encoded; None: all frames of ``source``."""
    size: tuple[int, int] | None = None
    """Width and height at which pictures are compared; None: the source's own."""
    coded: tuple[int, int] | None = None
    """Width and height to which pictures are scaled before they are encoded; None: as they are."""
    uncoded: bool = False
    """Whether pictures are only scaled to ``coded`` and back: what no encode at it can beat."""
    spliced: int = 0
    """How long the stretches are that ``source`` was joined from; 0: it was not."""
    every: int = 1
    """Frames 0, every, 2 every, ... are scored."""
    threads: Threads | None = None
    """None: one of each kind, as for a corpus."""
    options: EncoderOptions = PLAIN
    """What a user adds to the encoder's words."""
    also: tuple[str, ...] = ()
    """Metrics that are scored beside VMAF v0.6.1."""
    vmaf: bool = True
    """Whether that and its features are scored; else those of ``also`` are all, and filters'."""

    def __str__(self) -> str:
        words = (self.source.name, self.encoder, self.preset, f"{self.cq:g}")
        return " ".join(word for word in words if word is not None)

    @property
    def added(self) -> str:
        """What a user adds to its source and its encoder, as a command line says it."""
        return " ".join(filter(None, (str(self.options), str(self.source.intake.filters))))

    @property
    def frames(self) -> int:
        """How many frames are encoded and scored."""
        return self.segment.frames if self.segment else self.source.frames

    @property
    def scored(self) -> int:
        """How many of them are scored."""
        return -(-self.frames // self.every)

    @property
    def depth(self) -> int:
        """Bits at which it is scored."""
        return encoder(self.encoder, self.options).scoring_depth(self.source.depth)

    @property
    def scaled_to(self) -> tuple[int, int] | None:
        """The size that both sides are scaled to for scoring; None: they are not scaled."""
        own = (self.source.width, self.source.height)
        if self.coded not in (None, own):
            return self.size or own
        return None if self.size == own else self.size

    @property
    def distorted(self) -> Video:
        """The pictures that are scored: an encode's, or the source's, scaled."""
        video = self.source.video
        if not self.uncoded or self.coded is None:
            return Video()
        return replace(video, chain=",".join(filter(None, (video.chain, argv.scaled(self.coded)))))

    @property
    def columns(self) -> list[str]:
        """The columns that it is measured in."""
        return beside.columns([*(["vmaf"] if self.vmaf else []), *self.also])

    def identity(self, ffmpeg_sha256: str) -> dict[str, Any]:
        """Everything that its numbers depend on, as plain values."""
        source, raw = self.source, self.source.raw
        return {
            "source": source.identity,
            "raw": [raw.width, raw.height, raw.pix_fmt, str(raw.fps)] if raw else None,
            "start": self.segment.start if self.segment else 0,
            "frames": self.frames,
            "encode": None if self.uncoded else self._encode(),
            "score": argv.keyed(
                argv.score_filter(
                    self.depth,
                    self.frames,
                    size=self.scaled_to,
                    every=self.every,
                    sides=(self.distorted.of(0), source.video.of(1)),
                    also=self.also,
                    vmaf=self.vmaf,
                    rate=source.fps,
                )
            ),
            "ffmpeg": ffmpeg_sha256,
            **({"grain": "not drawn"} if self.options.grain else {}),
        }

    def _encode(self) -> list[str]:
        """The encoder's words, with threads that give the same bytes."""
        entry = encoder(self.encoder, self.options)
        threads = entry.alike(self.threads.encoder) if self.threads else None
        return measure.encoder_options(
            self.source, entry, self.cq, self.preset, threads=threads, spliced=self.spliced,
            coded=self.coded,
        )  # fmt: skip

    def key(self, ffmpeg_sha256: str) -> str:
        """Its content address: 64 hex digits."""
        return sha256_bytes(jsontext.dump_line(self.identity(ffmpeg_sha256)))

    def file_name(self, ffmpeg_sha256: str) -> str:
        """The name under which its measurement is kept."""
        return f"{self.key(ffmpeg_sha256)}.json"
