"""The codec block of one encode, and what to say where the model never saw its like.

A model's sidecar says which slots, presets and qualities trained it. What lies
outside is scored all the same, and named.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.model import CONSTANT, SidecarCorpus
from vqcast.documents.reading import ModelInfo
from vqcast.errors import FeatureError, InputError
from vqcast.vocab import NEUTRAL, UNKNOWN, crf_norm, preset_norm, slot_of

_SAME_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class Encode:
    """What a caller says of an encode; ``crf_norm`` and ``preset_norm`` replace what they norm."""

    encoder: str | None = None
    cq: float | None = None
    preset: str | None = None
    crf_norm: float | None = None
    preset_norm: float | None = None


@dataclass(slots=True)
class CodecRow:
    """The codec block of one encode, with what is to be said of it."""

    block: NDArray[np.float32]
    """``[slots + 2]``"""
    slot: str
    warnings: list[str] = field(default_factory=list)
    unseen_encoder: bool = False
    """Nothing of that encoder was in training."""
    unseen_setting: bool = False
    """Its preset was not, or no quality as high or low."""


def vocabulary_of(info: ModelInfo) -> list[str]:
    """The encoder slots, as the model's sidecar gives them."""
    return info.encoder_vocab or info.codec_vocab or []


def codec_row(info: ModelInfo, encode: Encode) -> CodecRow:
    """The codec block of ``encode`` for a codec-aware model.

    Raises UnknownEncoderError where the vocabulary has no slot for the
    encoder, InputError for a preset that is none of its own or a quality where
    the sidecar records no range, FeatureError for norms that are not finite.
    """
    vocabulary = vocabulary_of(info)
    if encode.encoder is None and UNKNOWN not in vocabulary:
        raise InputError(
            f"{info.id} needs the encoder: its vocabulary has no slot for none",
            hint=f"one of: {', '.join(vocabulary)}",
        )
    name = encode.encoder or UNKNOWN
    index = slot_of(name, vocabulary)
    row = CodecRow(np.zeros(len(vocabulary) + 2, dtype=np.float32), vocabulary[index])
    _note_slot(info, encode.encoder, row)
    quality = _quality(info, encode, row)
    row.block[index], row.block[-2], row.block[-1] = 1.0, _speed(info, encode, row), quality
    if not np.all(np.isfinite(row.block)):
        raise FeatureError("crf_norm and preset_norm must be finite")
    return row


def _note_slot(info: ModelInfo, encoder: str | None, row: CodecRow) -> None:
    rows, trained = info.slot_rows, info.unknown_encoders or {}
    slot, untrained = row.slot, info.untrained_slots
    say = row.warnings.append
    if encoder is None:
        say(f"no encoder given: scored in the slot {slot!r}")
    elif slot == UNKNOWN and encoder in trained:
        say(
            f"encoder {encoder!r} is outside the vocabulary: scored in the slot 'unknown', "
            f"which {trained[encoder]} rows of it trained"
        )
    elif slot == UNKNOWN and encoder != UNKNOWN:
        by = "which has no training"
        if trained:
            by = f"trained by {', '.join(sorted(trained))}"
        elif rows is None and UNKNOWN not in (untrained or []):
            by = "and the model's sidecar does not say what trained that"
        say(
            f"encoder {encoder!r} is outside the vocabulary and was never seen: scored in the "
            f"slot 'unknown', {by}"
        )
    row.unseen_encoder = slot == UNKNOWN and encoder not in trained
    if slot in (untrained or []) or (rows is not None and rows.get(slot, 0) == 0):
        row.unseen_encoder = True
        say(
            f"slot {slot!r} has no training rows: a codec-blind model (fr_regressor_v1) does not "
            "depend on it"
        )
    elif rows is None and untrained is None and slot != UNKNOWN:
        say(
            f"the model's sidecar does not count its training rows: nothing says that the slot "
            f"{slot!r} was trained"
        )


def _speed(info: ModelInfo, encode: Encode, row: CodecRow) -> float:
    """``preset_norm``: the ordinal where it varied in training, else 0.5."""
    name = encode.encoder or UNKNOWN
    asked = preset_norm(name, encode.preset)
    if info.presets is None:
        return asked if encode.preset_norm is None else encode.preset_norm
    use = info.presets.get(name)
    if use is None:
        return NEUTRAL if encode.preset_norm is None else encode.preset_norm
    seen = ", ".join(each or "none recorded" for each in use.seen)
    if encode.preset_norm is not None:
        known = [preset_norm(name, each) for each in use.seen]
        if use.used == CONSTANT:
            known = [NEUTRAL]
        if min(abs(encode.preset_norm - each) for each in known) > _SAME_NORM:
            _unseen(row, f"preset_norm {encode.preset_norm:g} is of no preset in training ({seen})")
        return encode.preset_norm
    if encode.preset is None and None not in use.seen:
        _unseen(row, f"no preset given: preset_norm is 0.5; {name} trained with {seen}")
    elif encode.preset not in use.seen:
        _unseen(row, f"preset {encode.preset!r} of {name} was never in training ({seen})")
    return NEUTRAL if use.used == CONSTANT else asked


def _quality(info: ModelInfo, encode: Encode, row: CodecRow) -> float:
    low, high = cq_range(info)
    trained = f"{low:g}..{high:g}" if low is not None and high is not None else "0..1"
    first, last = 0.0, 1.0
    own = (info.cq_ranges or {}).get(encode.encoder or "")
    if own is not None and low is not None and high is not None:
        trained = f"{own[0]:g}..{own[1]:g} of {encode.encoder}"
        first, last = (crf_norm(each, low, high) for each in own)
    if encode.crf_norm is not None:
        value, what = encode.crf_norm, f"crf_norm {encode.crf_norm:g}"
        trained = "0..1" if own is None else f"{first:.3g}..{last:.3g} of {encode.encoder}"
    elif encode.cq is None:
        _unseen(row, "no quality given: crf_norm is 0.5")
        return NEUTRAL
    elif low is None or high is None:
        raise InputError(
            f"{info.id}: its sidecar records no quality range",
            hint="give crf_norm (and preset_norm) instead of cq",
        )
    else:
        value, what = crf_norm(float(encode.cq), low, high), f"quality {encode.cq:g}"
    if not first - _SAME_NORM <= value <= last + _SAME_NORM:
        _unseen(row, f"{what} is outside the trained range {trained}")
    return value


def _unseen(row: CodecRow, words: str) -> None:
    row.unseen_setting = True
    row.warnings.append(words)


def cq_range(info: ModelInfo) -> tuple[float | None, float | None]:
    """Lowest and highest quality in training; None where the sidecar does not say."""
    said = info.corpus if isinstance(info.corpus, SidecarCorpus) else info
    return said.cq_min, said.cq_max
