"""The adapter table: how each encoder's quality, preset and threads are said to ffmpeg.

Quality is a number on the encoder's own scale, lower is better. Threads are
fixed in the arguments (one), so that the bytes of an encode do not depend on
how many run beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vqcast.errors import InputError
from vqcast.vocab import PRESETS


@dataclass(frozen=True, slots=True)
class Encoder:
    """One ffmpeg encoder: its knob, range, presets and pixel formats."""

    name: str
    knob: str
    cq_min: float
    cq_max: float
    cq_step: float
    preset_option: str
    default_preset: str
    pix_fmt_8: str
    pix_fmt_10: str
    fixed: tuple[str, ...]
    """Options that never vary: one thread, constant quality, no surprises."""

    @property
    def presets(self) -> tuple[str, ...]:
        """Its presets from fastest to slowest."""
        return PRESETS[self.name]

    def pix_fmt(self, depth: int) -> str:
        """The 4:2:0 format it encodes for a source of ``depth`` bits."""
        return self.pix_fmt_8 if depth == 8 else self.pix_fmt_10

    def check(self, cq: float, preset: str) -> None:
        """Raise InputError for a quality or preset outside its scale."""
        if not self.cq_min <= cq <= self.cq_max:
            raise InputError(
                f"{self.name}: quality {cq:g} is outside {self.cq_min:g}..{self.cq_max:g}"
            )
        if abs(round(cq / self.cq_step) * self.cq_step - cq) > 1e-6:
            raise InputError(f"{self.name}: quality {cq:g} is not a multiple of {self.cq_step:g}")
        if preset not in self.presets:
            raise InputError(
                f"{self.name} has no preset {preset!r}",
                hint=f"its presets, fastest first: {', '.join(self.presets)}",
            )

    def options(self, cq: float, preset: str, depth: int) -> list[str]:
        """The encoder's part of an ffmpeg command line."""
        self.check(cq, preset)
        return [
            *("-c:v", self.name),
            *(self.preset_option, preset),
            *(self.knob, f"{cq:g}"),
            *self.fixed,
            *("-pix_fmt", self.pix_fmt(depth)),
        ]


_TABLE = (
    Encoder(
        *("libx264", "-crf", 0, 51, 0.1, "-preset", "medium", "yuv420p", "yuv420p10le"),
        fixed=("-threads", "1"),
    ),
    Encoder(
        *("libx265", "-crf", 0, 51, 0.1, "-preset", "medium", "yuv420p", "yuv420p10le"),
        fixed=("-x265-params", "pools=none:frame-threads=1:log-level=error"),
    ),
    Encoder(
        *("libsvtav1", "-crf", 1, 63, 1, "-preset", "8", "yuv420p", "yuv420p10le"),
        fixed=("-svtav1-params", "lp=1"),
    ),
    Encoder(
        *("libaom-av1", "-crf", 0, 63, 1, "-cpu-used", "6", "yuv420p", "yuv420p10le"),
        fixed=("-b:v", "0", "-threads", "1", "-row-mt", "0"),
    ),
    Encoder(
        *("libvpx-vp9", "-crf", 0, 63, 1, "-cpu-used", "5", "yuv420p", "yuv420p10le"),
        fixed=("-b:v", "0", "-threads", "1", "-row-mt", "0", "-deadline", "good"),
    ),
    Encoder(
        *("libvvenc", "-qp", 0, 63, 1, "-preset", "faster", "yuv420p10le", "yuv420p10le"),
        fixed=("-threads", "1"),
    ),
)

ENCODERS: dict[str, Encoder] = {encoder.name: encoder for encoder in _TABLE}


def encoder(name: str) -> Encoder:
    """The table's entry. Raises InputError naming the encoders it has."""
    if name not in ENCODERS:
        raise InputError(
            f"vqcast has no adapter for encoder {name!r}", hint=f"it has: {', '.join(ENCODERS)}"
        )
    return ENCODERS[name]
