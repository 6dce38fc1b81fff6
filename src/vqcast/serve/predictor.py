"""Scores from features, with an interval where one is calibrated, and what to know of them.

For example::

    predictor = load("fr_regressor_v2_ensemble_v1")
    prediction = predictor.predict(features, encoder="libx264", cq=28, preset="medium")
    prediction.mean          # [frames], VMAF points, 0..100
    prediction.interval      # of every frame and of the clip, where one is calibrated
    prediction.probability(93)  # at least how sure it is that the clip reaches VMAF 93
    prediction.warnings      # ("...",) where the answer stands on thin ground
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vqcast.documents.reading import ModelInfo
from vqcast.errors import EvidenceError, FeatureError, InputError, ModelRefused
from vqcast.interval import (
    VMAF_MAX,
    VMAF_MIN,
    Calibration,
    bounds,
    largest_level,
    out_of_reach,
)
from vqcast.serve.codec import CodecRow, Encode, codec_row, vocabulary_of
from vqcast.serve.guard import FRAMES_A_CALL, CheckedGraph
from vqcast.vocab import FEATURES

DEFAULT_LEVEL = 0.90
"""The level of the interval of a one graph whose sidecar names none."""
_STD_FLOOR = 1e-8


def _run(
    session: CheckedGraph, table: NDArray[np.float64], codec: NDArray[np.float32] | None
) -> list[NDArray[np.float64]]:
    """A graph's outputs, ``[N]`` each. Raises ModelRefused for another number of scores."""
    with np.errstate(over="ignore"):  # infinity is refused by the session, by name
        arrays = [table.astype(np.float32)] + ([codec] if codec is not None else [])
    parts = []
    for start in range(0, len(table), FRAMES_A_CALL):
        chunk = [array[start : start + FRAMES_A_CALL] for array in arrays]
        outputs = [output.astype(np.float64).reshape(-1) for output in session.run(*chunk)]
        for values in outputs:
            if len(values) != len(chunk[0]):
                raise ModelRefused(f"a graph gives {len(values)} scores for {len(chunk[0])} frames")
        parts.append(outputs)
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _require_calibration(calibration: Calibration | None) -> Calibration:
    if calibration is None:
        raise EvidenceError(
            "this model ships no calibrated interval, so it can't say how sure it is",
            hint="ask an ensemble that does: vqcast registry list",
        )
    return calibration


def _require_confidence(calibration: Calibration | None, confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise InputError(
            f"confidence {confidence:g} is not between 0 and 1",
            hint="give a fraction, for example 0.9",
        )
    groups = _require_calibration(calibration).n_groups
    if confidence > largest_level(groups):
        raise out_of_reach(confidence, groups)


def _distance_warning(distance: NDArray[np.float64]) -> list[str]:
    """What to say of frames beyond the training features; nothing where there are none."""
    far = int((distance > 1.0).sum())
    if not far:
        return []
    return [
        f"{far} of {len(distance)} frames lie outside the training features (up to "
        f"{distance.max():.1f} times their 99th percentile): their intervals are wider"
    ]


def _unseen_factor(row: CodecRow, calibration: Calibration) -> float:
    """By how much the interval widens for what training never had."""
    if row.unseen_encoder:
        return calibration.unseen_slot_factor
    return calibration.unseen_preset_factor if row.unseen_setting else 1.0


def _factor_warning(factor: float, calibration: Calibration) -> list[str]:
    if factor == 1.0:
        return []
    by = "as measured on" if calibration.factors_measured else "an assumption, not measured on"
    return [f"the interval is {factor:.3g} times as wide, {by} what was held out of training"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted VMAF of N frames, in points, 0..100."""

    mean: NDArray[np.float64]
    """Per frame, ``[N]``: the ensemble's mean; corrected where a calibration is shipped."""
    std: NDArray[np.float64]
    """Disagreement of the networks per frame (ddof 1; 0 for one network), ``[N]``."""
    warnings: tuple[str, ...]
    slot: str | None
    slot_rows: int | None
    """Training rows of the encoder's slot; None where the sidecar does not say."""
    interval: Interval | None = None
    """None where the model claims no coverage."""

    @property
    def pooled_mean(self) -> float:
        """The clip's predicted VMAF: the mean over frames."""
        return float(self.mean.mean())

    @property
    def pooled_std(self) -> float:
        """The networks' disagreement, averaged over frames."""
        return float(self.std.mean())

    @property
    def _calibration(self) -> Calibration | None:
        return self.interval.calibration if self.interval else None

    def probability(self, target: float) -> float:
        """At least how probable it is that the clip's VMAF is ``target`` or more, 0..1.

        Never above n / (n + 1) for n calibration groups. Raises EvidenceError
        where the model ships no calibrated interval, InputError for a target
        outside 0..100.
        """
        _require_calibration(self._calibration)
        assert self.interval is not None
        return self.interval.probability(target)

    def reaches(self, target: float, confidence: float) -> bool:
        """Whether the clip's VMAF is ``target`` or more with at least ``confidence``, 0..1.

        Raises EvidenceError for a confidence that the calibration can never
        give, and as ``probability`` does.
        """
        _require_confidence(self._calibration, confidence)
        return self.probability(target) >= confidence


@dataclass(frozen=True, slots=True)
class Interval:
    """A calibrated interval, in VMAF points, 0..100."""

    level: float
    lower: NDArray[np.float64]
    """Per frame, ``[N]``."""
    upper: NDArray[np.float64]
    pooled_lower: float
    """Of the clip's mean VMAF."""
    pooled_upper: float
    centre: float
    """The clip's predicted mean VMAF, corrected."""
    scale: float
    """Half width of the clip's interval per unit of quantile, points."""
    calibration: Calibration = field(repr=False)

    def probability(self, target: float) -> float:
        """At least how probable it is that the clip's VMAF is ``target`` or more, 0..1."""
        return self.calibration.probability(self.centre, self.scale, target)


@dataclass(frozen=True, slots=True)
class Networks:
    """The graphs of one model: a network, several, or an ensemble as one graph."""

    infos: tuple[ModelInfo, ...]
    sessions: tuple[CheckedGraph, ...]
    calibration: Calibration | None = None
    """Given with an ensemble whose one graph holds it."""
    size: int = 1


class Predictor:
    """One model of a registry, or an ensemble of its members, ready to score."""

    def __init__(self, model_id: str, networks: Networks, notices: Sequence[str] = ()) -> None:
        self.model_id = model_id
        self._networks = networks
        self._notices = tuple(notices)
        self._info = networks.infos[0]

    @property
    def codec_aware(self) -> bool:
        """Whether encoder, quality and preset enter the prediction."""
        return bool(self.vocabulary)

    @property
    def vocabulary(self) -> list[str]:
        """The encoder slots, as the model's sidecar gives them."""
        return vocabulary_of(self._info)

    @property
    def size(self) -> int:
        """How many networks answer."""
        return self._networks.size

    def require_confidence(self, confidence: float) -> None:
        """Raise as `Prediction.reaches` does for a confidence that it can never give."""
        _require_confidence(self._networks.calibration, confidence)

    def predict(
        self,
        features: ArrayLike,
        *,
        encoder: str | None = None,
        cq: float | None = None,
        preset: str | None = None,
        crf_norm: float | None = None,
        preset_norm: float | None = None,
        level: float | None = None,
    ) -> Prediction:
        """Score N frames of one encode from their canonical-6 features ``[N, 6]``.

        ``cq`` is on the encoder's own scale; ``crf_norm`` and ``preset_norm``
        replace it and ``preset`` where a sidecar records no range. ``level`` is
        that of the interval, where the model has one; None means the model's
        own, any other lies between 0.5 and n / (n + 1). Raises FeatureError for
        another shape or a value that is not finite, UnknownEncoderError where
        the vocabulary has no slot for ``encoder``, EvidenceError for a level
        that the calibration can't stand by.
        """
        table = self._features(features)
        row: CodecRow | None = None
        codec: NDArray[np.float32] | None = None
        if self.codec_aware:
            encode = Encode(encoder, cq, preset, crf_norm, preset_norm)
            row = codec_row(self._info, encode)
            codec = np.tile(row.block, (len(table), 1))
        warnings = [*self._notices, *(row.warnings if row else ())]
        calibration = self._networks.calibration
        if calibration is None:
            mean, std = self._score_members(table, codec)
            interval = None
        else:
            factor = 1.0 if row is None else _unseen_factor(row, calibration)
            # The graph itself widens for a slot without training rows.
            inside = row is not None and self._slot_rows(row) == 0
            mean, std, interval = self._score_calibrated(
                table, codec, calibration, level, widen=1.0 if inside else factor
            )
            warnings += _factor_warning(factor, calibration)
            warnings += _distance_warning(calibration.distance(table))
        return Prediction(
            mean=mean,
            std=std,
            warnings=tuple(warnings),
            slot=None if row is None else row.slot,
            slot_rows=None if row is None else self._slot_rows(row),
            interval=interval,
        )

    def _slot_rows(self, row: CodecRow) -> int | None:
        rows = self._info.slot_rows
        return None if rows is None else rows.get(row.slot, 0)

    def _score_members(
        self, table: NDArray[np.float64], codec: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and spread of the members, each clipped to 0..100, ``[N]`` both."""
        scores = []
        for info, session in zip(self._networks.infos, self._networks.sessions, strict=True):
            std = np.asarray(info.feature_std)
            scaled = (table - np.asarray(info.feature_mean)) / np.where(std < _STD_FLOOR, 1.0, std)
            scores.append(_run(session, scaled, codec)[0])
        members = np.clip(np.stack(scores), VMAF_MIN, VMAF_MAX)
        spread = members.std(axis=0, ddof=1) if len(members) > 1 else np.zeros(len(table))
        return members.mean(axis=0), spread

    def _score_calibrated(
        self,
        table: NDArray[np.float64],
        codec: NDArray[np.float32] | None,
        calibration: Calibration,
        level: float | None,
        *,
        widen: float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], Interval]:
        """Score, spread and interval by the ensemble's one graph.

        The graph's interval is of one level; its half width per unit of
        quantile gives the others, and the clip's.
        """
        score, std, lower, upper = _run(self._networks.sessions[0], table, codec)
        own = self._info.level or DEFAULT_LEVEL
        level = own if level is None else level
        quantile = calibration.quantile(level)
        half = np.maximum(score - lower, upper - score)  # a clipped side is the shorter one
        scale = half / calibration.quantile(own)
        lost = (lower <= VMAF_MIN) & (upper >= VMAF_MAX)  # clipped twice: how far is unknown
        scale[lost] = VMAF_MAX / min(quantile, calibration.quantile(own))
        scale = scale * widen
        frame = bounds(score, quantile * scale)
        centre, reach = float(score.mean()), float(scale.mean())
        pooled_half = calibration.quantile(level, pooled=True) * reach
        pooled = bounds(np.asarray(centre), np.asarray(pooled_half))
        interval = Interval(
            level, *frame, float(pooled[0]), float(pooled[1]), centre, reach, calibration
        )
        return score, std, interval

    def _features(self, features: ArrayLike) -> NDArray[np.float64]:
        try:
            table = np.asarray(features, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise FeatureError(f"features are not numbers: {error}") from error
        if table.ndim != 2 or table.shape[1] != len(FEATURES) or not len(table):
            raise FeatureError(f"features have shape {table.shape}, [N, {len(FEATURES)}] is needed")
        if not np.all(np.isfinite(table)):
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            raise FeatureError(f"frame {row} has a feature that is not finite")
        return table
