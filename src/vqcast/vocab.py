"""The encoder vocabularies and the codec block: their only definition.

A vocabulary is an ordered list of encoder slots; its order is baked into
trained weights as one-hot columns, so published versions are golden and a new
version only appends. The preset lists are frozen with them. The invariants
are written down in ``docs/vocabulary.md``.

The codec block of a row is ``one-hot(slots) + preset_norm + crf_norm``::

    >>> codec_block(["libx264"], ["medium"], [28], VOCABULARIES[2], 18, 38)[0].tolist()[-2:]
    [0.5555555820465088, 0.5]
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from vqcast.errors import InputError, UnknownEncoderError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEATURES: tuple[str, ...] = (
    "adm2",
    "vif_scale0",
    "vif_scale1",
    "vif_scale2",
    "vif_scale3",
    "motion2",
)
"""Canonical-6, in the order of every array, graph and sidecar."""

UNKNOWN = "unknown"

VOCABULARIES: dict[int, tuple[str, ...]] = {
    1: ("x264", "x265", "libsvtav1", "libvvenc", "libvpx-vp9", UNKNOWN),
    2: (
        "libx264",
        "libx265",
        "libsvtav1",
        "libvvenc",
        "libvpx-vp9",
        "h264_nvenc",
        "hevc_nvenc",
        "av1_nvenc",
        "h264_qsv",
        "hevc_qsv",
        "av1_qsv",
        UNKNOWN,
    ),
    3: (
        "libx264",
        "libaom-av1",
        "libx265",
        "h264_nvenc",
        "hevc_nvenc",
        "av1_nvenc",
        "h264_amf",
        "hevc_amf",
        "av1_amf",
        "h264_qsv",
        "hevc_qsv",
        "av1_qsv",
        "libvvenc",
        "libsvtav1",
        "h264_videotoolbox",
        "hevc_videotoolbox",
    ),
}
AUTHORITATIVE_VERSION = 2

_X26X = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
_CPU_USED = tuple(str(n) for n in range(8, -1, -1))
_NVENC = tuple(f"p{n}" for n in range(1, 8))
_QSV = ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AMF = ("speed", "balanced", "quality")

PRESETS: dict[str, tuple[str, ...]] = {
    "libx264": _X26X,
    "libx265": _X26X,
    "libsvtav1": tuple(str(n) for n in range(13, -1, -1)),
    "libaom-av1": _CPU_USED,
    "libvpx-vp9": _CPU_USED,
    "libvvenc": ("faster", "fast", "medium", "slow", "slower"),
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
    "av1_nvenc": _NVENC,
    "h264_qsv": _QSV,
    "hevc_qsv": _QSV,
    "av1_qsv": _QSV,
    "h264_amf": _AMF,
    "hevc_amf": _AMF,
    "av1_amf": _AMF,
}
"""Presets of each encoder from fastest to slowest. VideoToolbox has none."""

NEUTRAL = 0.5
"""``preset_norm`` without a preset and ``crf_norm`` of a single-valued range."""


def slot_of(encoder: str, vocabulary: Sequence[str]) -> int:
    """Index of ``encoder`` in ``vocabulary``, or of its ``unknown`` slot.

    Raises UnknownEncoderError where the vocabulary has no ``unknown`` slot.
    """
    if encoder in vocabulary:
        return list(vocabulary).index(encoder)
    if UNKNOWN in vocabulary:
        return list(vocabulary).index(UNKNOWN)
    raise UnknownEncoderError(
        f"encoder {encoder!r} is not in this model's vocabulary: {', '.join(vocabulary)}",
        hint="choose a model trained on that encoder: vqcast registry list",
    )


def recorded_preset(encoder: str, preset: str | None) -> str | None:
    """``preset``, or None where it is no preset of that encoder: it then counts as not recorded.

    Pooled corpora of other tools write x264's names for every encoder.
    """
    return preset if preset in PRESETS.get(encoder, ()) else None


def varied_encoders(pairs: Iterable[tuple[str, str | None]]) -> frozenset[str]:
    """Encoders that the (encoder, preset) pairs of a corpus show with more than one preset.

    Only for these is ``preset_norm`` the ordinal. A column that never varied
    within an encoder can't be learnt, and another value of it would extrapolate.
    """
    seen: dict[str, set[str | None]] = {}
    for encoder, preset in pairs:
        seen.setdefault(encoder, set()).add(recorded_preset(encoder, preset))
    return frozenset(encoder for encoder, presets in seen.items() if len(presets) > 1)


def preset_norm(encoder: str, preset: str | None) -> float:
    """Ordinal of ``preset`` in the encoder's list, fastest 0 to slowest 1.

    0.5 where no preset is given or the encoder has no preset list (an encoder
    without a slot). Raises InputError for a preset that a list lacks.
    """
    if preset is None or encoder not in PRESETS:
        return NEUTRAL
    presets = PRESETS[encoder]
    if preset not in presets:
        raise InputError(
            f"{encoder} has no preset {preset!r}",
            hint=f"its presets, fastest first: {', '.join(presets)}",
        )
    return presets.index(preset) / (len(presets) - 1)


def crf_norm(cq: float, cq_min: float, cq_max: float) -> float:
    """``cq`` on the corpus's observed range; outside 0..1 beyond that range."""
    if cq_max <= cq_min:
        return NEUTRAL
    return (cq - cq_min) / (cq_max - cq_min)


def codec_block(
    encoders: Sequence[str],
    presets: Sequence[str | None],
    cqs: Sequence[float],
    vocabulary: Sequence[str],
    cq_min: float,
    cq_max: float,
    varied: Collection[str] | None = None,
) -> NDArray[np.float32]:
    """The codec block of N rows, float32 ``[N, len(vocabulary) + 2]``.

    ``preset_norm`` is 0.5 for encoders outside ``varied`` (of the training
    corpus: ``varied_encoders``), and for a preset that is not in the encoder's list.
    """
    import numpy as np  # the command line's help knows encoders, and loads no NumPy

    block = np.zeros((len(encoders), len(vocabulary) + 2), dtype=np.float32)
    seen: dict[tuple[str, str | None], tuple[int, float]] = {}
    for row, (encoder, preset, cq) in enumerate(zip(encoders, presets, cqs, strict=True)):
        key = (encoder, preset)
        if key not in seen:
            ordinal = varied is None or encoder in varied
            known = recorded_preset(encoder, preset) if ordinal else None
            seen[key] = (slot_of(encoder, vocabulary), preset_norm(encoder, known))
        slot, speed = seen[key]
        block[row, slot] = 1.0
        block[row, -2] = speed
        block[row, -1] = crf_norm(cq, cq_min, cq_max)
    return block


def codec_block_layout(vocabulary: Sequence[str]) -> list[str]:
    """Column names of the codec block, in order."""
    return [f"encoder_onehot[{name}]" for name in vocabulary] + ["preset_norm", "crf_norm"]
