"""Which CRF each shot of a title is encoded at, and which shots are made again: pure decisions.

    plan = Controller("pooled", 93.0, shots, surface, crfs)
    while (wanted := plan.next(running)) is not None:  # a shot and its CRF
        plan.add(ShotResult(...))  # what its encode gave
    plan.selected  # the encode of each shot that the title is joined from

No shot is probed: each finished one is a measurement of the title's surface, from which the next is
forecast. Of ``pooled`` the optimum is where one more bit gains the same score in every shot (Shoham
and Gersho 1988, eq. 5): bits - slope * score is least for each shot, with one slope for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqcast.documents.shots import Objective
from vqcast.forecast.forecaster import Probe
from vqcast.tuning.shot_surface import ShotSurface

Array = NDArray[np.float64]

WINDOW = 0.1
"""Points above its target that a title may end."""
MOST_ENCODED: Mapping[Objective, float] = {"pooled": 1.25, "even": 1.6, "worst": 1.25}
"""Encodes of each frame, on average, up to which a shot is made again that is not below what is
asked of it."""
BEARS: Mapping[Objective, float] = {"pooled": 0.03, "even": 1.5, "worst": 1.5}
"""What a shot may miss by: of its bits that are saved at the title's slope, or points of score."""
_SAVES = 0.01
"""Of a shot's bits, at least, for which it is made again since its worst second is far above."""
SURE = {"first": 0.85, "again": 0.9}
"""Of reaching the target in the worst second, of a first encode and of one that is made again."""
_AIM = 0.4
"""Where in the window is aimed."""
_SCOUTED, _MOST_SCOUTS = 0.1, 24
"""Share of the frames that are encoded to learn of the title, in its shortest shots, and how many
of these at most."""
_STEER = 1.6
"""How far the slope may be moved to make up for shots that are done."""
_FAR = 4.0
"""CRFs that a shot is moved at once: what is farther from its own encodes is less sure."""
_MOST_LANDING, _MOST_LANDED = 16, 1.3
"""Shots that are made again to close the account, and encodes of each frame up to which one is that
is above the window."""
_FRAME_COST = 0.15
"""Share of the title's bits that encoding it all again counts as, where the account is closed."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A shot, before it is encoded."""

    frames: int
    pixels: int
    """Of one frame."""


@dataclass(frozen=True, slots=True)
class ShotResult:
    """One encode of one shot."""

    shot: int
    crf: float
    value: float
    """What the objective is of: its mean, or its worst second."""
    bits: float
    features: Array
    """Means of canonical-6, ``[6]``."""


@dataclass(frozen=True, slots=True)
class _Curves:
    """Every shot at every CRF, as forecast, and as measured where it was; ``[shots, grid]``."""

    value: Array
    deviation: Array
    bits: Array


@dataclass(slots=True)
class Controller:
    """The account of a title that is encoded shot by shot."""

    objective: Objective
    target: float
    shots: Sequence[Shot]
    surface: ShotSurface
    crfs: Array
    results: list[ShotResult] = field(default_factory=list)
    expected: dict[tuple[int, float], tuple[float, float, float]] = field(default_factory=dict)
    """Shot and CRF -> value, its deviation and bits, as they were forecast."""
    selected: dict[int, ShotResult] = field(default_factory=dict)
    floors: dict[int, float] = field(default_factory=dict)
    """What a shot's worst second must reach, where that is more than the target."""
    landings: int = 0
    _curves: _Curves | None = None
    _refreshed: int = -1

    def __post_init__(self) -> None:
        self._frames = np.array([shot.frames for shot in self.shots], dtype=np.float64)
        short = np.argsort(self._frames, kind="stable")
        share = np.cumsum(self._frames[short]) / self._frames.sum()
        short = short[: max(int((share <= _SCOUTED).sum()), 1)][:_MOST_SCOUTS]
        ordered = sorted(short, key=self.surface.order)
        # Of several kinds from the first: every third of them by kind, then the others.
        self._scouts = [int(shot) for first in (1, 0, 2) for shot in ordered[first::3]]

    _frames: Array = field(default_factory=lambda: np.zeros(0))
    _scouts: list[int] = field(default_factory=list)

    @property
    def frames_encoded(self) -> int:
        """Of all encodes, those that were made again among them."""
        return sum((self.shots[each.shot].frames for each in self.results), 0)

    @property
    def value(self) -> float:
        """The title's, of the encodes that are selected: frames' mean, or its worst second."""
        values = np.array([self.selected[shot].value for shot in range(len(self.shots))])
        return self._pooled(values)

    def add(self, result: ShotResult) -> None:
        """An encode is finished."""
        shot = self.shots[result.shot]
        self.results.append(result)
        bits = result.bits / (shot.frames * shot.pixels)
        self.surface.add(result.shot, Probe(result.crf, result.value, bits, result.features))
        if len(self.results) > 1.04 * self._refreshed or result.shot in self.selected:
            self._curves = None
        self.selected.setdefault(result.shot, result)
        self._select()

    def ask_more(self, shot: int, points: float) -> bool:
        """Have the worst second of ``shot`` reach more, for a second that it has a part in.

        False where that was asked often enough.
        """
        self.floors[shot] = max(self._floor(shot), self.selected[shot].value) + 2 * points
        self.landings += 1
        self._select()
        return self.landings < _MOST_LANDING

    def next(self, running: Mapping[int, float]) -> tuple[int, float] | None:
        """The shot to encode now and its CRF; None: nothing, or nothing until one more is ready.

        ``running``: shot -> CRF of the encodes that are being made.
        """
        known = running.keys() | self.selected.keys()
        missing = [shot for shot in range(len(self.shots)) if shot not in known]
        if missing:
            shot = self._first_of(missing)
            return self._told(shot, int(self._plan(running)[shot]))
        wanted = self._worth_it(running)
        if wanted is None and not running:
            wanted = self._landing()
        return None if wanted is None else self._told(*wanted)

    def _told(self, shot: int, index: int) -> tuple[int, float]:
        curves, crf = self._known(), float(self.crfs[index])
        expected = (curves.value[shot, index], curves.deviation[shot, index],
                    curves.bits[shot, index])  # fmt: skip
        self.expected[shot, crf] = tuple(float(each) for each in expected)  # type: ignore[assignment]
        return shot, crf

    def _first_of(self, missing: Sequence[int]) -> int:
        """Short shots first, which tell of the title and cost little; then the longest."""
        scouts = set(self._scouts) & set(missing)
        for shot in self._scouts:
            if shot in scouts:
                return shot
        return max(missing, key=lambda shot: (self.shots[shot].frames, -shot))

    # What every shot would give.

    def _known(self) -> _Curves:
        if self._curves is None:
            each = [self.surface.forecast(shot, self.crfs) for shot in range(len(self.shots))]
            size = np.array([[shot.frames * shot.pixels] for shot in self.shots], np.float64)
            value = np.array([one.score for one in each])
            spread = np.array([self.surface.points(one) for one in each])
            bits = size * 2.0 ** np.array([one.log2_bits for one in each])
            for result in self.results:
                at = self._index(result.crf)
                value[result.shot, at], bits[result.shot, at] = result.value, result.bits
                spread[result.shot, at] = 0.0
            self._curves, self._refreshed = _Curves(value, spread, bits), len(self.results)
        return self._curves

    def _index(self, crf: float) -> int:
        return int(np.abs(self.crfs - crf).argmin())

    def _pooled(self, values: Array) -> float:
        if self.objective == "worst":
            floors = np.array([self._floor(shot) for shot in range(len(values))])
            return float((values - floors).min() + self.target)
        return float(self._frames @ values / self._frames.sum())

    def _floor(self, shot: int) -> float:
        return self.floors.get(shot, self.target)

    # The plan.

    def _plan(self, running: Mapping[int, float]) -> NDArray[np.intp]:
        """Index of the CRF for each shot, by what is known now, ``[shots]``."""
        curves = self._known()
        if self.objective == "worst":
            return np.array([self._sure(shot, SURE["first"]) for shot in range(len(self.shots))])
        aim = self.target + _AIM * WINDOW
        fixed = {shot: self._index(crf) for shot, crf in running.items()}
        if self.objective == "even":
            fixed |= {shot: self._index(each.crf) for shot, each in self.selected.items()}
            return self._level(aim, fixed)
        free = self._free_slope()
        ideal = self._at_slope(free)
        for shot, result in self.selected.items():
            at = self._index(result.crf)
            if self._loss(shot, at, free) <= BEARS["pooled"] * curves.bits[shot, ideal[shot]]:
                fixed[shot] = at
        steered = np.clip(self._slope(aim, fixed), free / _STEER, free * _STEER)
        return self._at_slope(float(steered))

    def _at_slope(self, slope: float) -> NDArray[np.intp]:
        curves = self._known()
        return np.asarray((curves.bits - slope * self._frames[:, None] * curves.value).argmin(1))

    def _loss(self, shot: int, index: int, slope: float) -> float:
        """Bits that the CRF at ``index`` costs more than the best one, at a slope."""
        curves = self._known()
        cost = curves.bits[shot] - slope * self._frames[shot] * curves.value[shot]
        return float(cost[index] - cost.min())

    def _slope(self, aim: float, fixed: Mapping[int, int]) -> float:
        """Bits a frame that a point of score may cost, so that the title's mean is ``aim``."""
        curves, rows = self._known(), np.arange(len(self.shots))
        low, high = 1e-6, 1e15
        for _ in range(70):
            slope = float(np.sqrt(low * high))
            at = self._at_slope(slope)
            for shot, index in fixed.items():
                at[shot] = index
            if self._pooled(curves.value[rows, at]) < aim:
                low = slope
            else:
                high = slope
        return high

    def _free_slope(self) -> float:
        return self._slope(self.target + _AIM * WINDOW, {})

    def _level(self, aim: float, fixed: Mapping[int, int]) -> NDArray[np.intp]:
        """The CRF of each shot that is nearest to one level, where the title's mean is ``aim``."""
        curves, rows = self._known(), np.arange(len(self.shots))
        low, high = aim - BEARS["even"], aim + BEARS["even"]
        for _ in range(30):
            level = (low + high) / 2
            at = np.abs(curves.value - level).argmin(axis=1)
            for shot, index in fixed.items():
                at[shot] = index
            if self._pooled(curves.value[rows, at]) < aim:
                low = level
            else:
                high = level
        return np.asarray(np.abs(curves.value - (low + high) / 2).argmin(axis=1))

    def _sure(self, shot: int, sure: float) -> int:
        """The highest CRF whose worst second reaches the shot's floor so surely."""
        curves = self._known()
        z = self.surface.quantile(sure)
        low = curves.value[shot] - z * curves.deviation[shot]
        fit = np.flatnonzero(low >= self._floor(shot))
        return int(fit[-1]) if len(fit) else 0

    # What is made again.

    def _tried(self, shot: int) -> set[int]:
        return {self._index(each.crf) for each in self.results if each.shot == shot}

    def _allows(self, shot: int, running: Mapping[int, float]) -> bool:
        frames = sum(self.shots[each].frames for each in running) + self.shots[shot].frames
        return self.frames_encoded + frames <= MOST_ENCODED[self.objective] * float(
            self._frames.sum()
        )

    def _worth_it(self, running: Mapping[int, float]) -> tuple[int, int] | None:
        """The shot that misses by more than the objective bears, and by the most a frame."""
        curves, found = self._known(), []
        if self.objective == "pooled":
            slope = self._free_slope()
            ideal = self._at_slope(slope)
        for shot, result in self.selected.items():
            if shot in running:
                continue
            at, frames = self._index(result.crf), self.shots[shot].frames
            if self.objective == "pooled":
                steps = round(_FAR / (self.crfs[1] - self.crfs[0]))
                index = int(np.clip(ideal[shot], at - steps, at + steps))
                gain = self._loss(shot, at, slope) - self._loss(shot, index, slope)
                bears = BEARS["pooled"] * curves.bits[shot, index]
            elif self.objective == "even":
                index = int(np.abs(curves.value[shot] - self.target).argmin())
                gain = abs(result.value - self.target) - abs(
                    curves.value[shot, index] - self.target
                )
                bears = BEARS["even"]
            else:
                index, over = self._sure(shot, SURE["again"]), result.value - self._floor(shot)
                gain = np.inf if over < 0 else curves.bits[shot, at] - curves.bits[shot, index]
                bears = 0.0 if over < 0 else np.inf
                if over > BEARS["worst"]:
                    bears = _SAVES * curves.bits[shot, at]
            if index in self._tried(shot) or gain <= bears:
                continue
            if gain < np.inf and not self._allows(shot, running):
                continue
            found.append((float(gain) / frames, shot, index))
        return max(found)[1:] if found else None

    def _landing(self) -> tuple[int, int] | None:
        """The shot and CRF that should bring the title into its window; None: it is there."""
        low, high = self.target, self.target + WINDOW
        value = self.value
        if low <= value <= high or self.landings >= _MOST_LANDING:
            return None
        if value > high and self.frames_encoded > _MOST_LANDED * self._frames.sum():
            return None
        self.landings += 1
        moves = self._moves(value)
        aim, reach = low + _AIM * WINDOW, 0.3 * WINDOW
        fit = [move for move in moves if abs(move[0] - aim) <= reach]
        if fit:
            return min(fit, key=lambda move: move[1])[2:]
        within = [move for move in moves if (move[0] <= high) == (value <= high)] or moves
        best = min(within, key=lambda move: abs(move[0] - aim), default=None)
        return None if best is None or abs(best[0] - aim) >= abs(value - aim) else best[2:]

    def _moves(self, value: float) -> list[tuple[float, float, int, int]]:
        """What the title would be, at what cost, with one shot at another CRF.

        Lower ones below the target, higher ones above.
        """
        curves, total = self._known(), float(self._frames.sum())
        spent, moves = sum(each.bits for each in self.selected.values()), []
        for shot, result in self.selected.items():
            tried, share = self._tried(shot), self.shots[shot].frames / total
            others = min(
                (each.value - self._floor(other) for other, each in self.selected.items()
                 if other != shot), default=np.inf,
            ) + self.target  # fmt: skip
            at, grid = self._index(result.crf), range(len(self.crfs))
            for index in grid[:at] if value < self.target else grid[at + 1 :]:
                if index in tried:
                    continue
                new = float(curves.value[shot, index])
                if self.objective == "worst":
                    after = min(new - self._floor(shot) + self.target, others)
                else:
                    after = value + share * (new - result.value)
                cost = (curves.bits[shot, index] - result.bits) / spent + _FRAME_COST * share
                if self.objective == "even":
                    cost = share * (abs(new - self.target) + _FRAME_COST)
                moves.append((after, float(cost), shot, index))
        return moves

    # What is joined.

    def _select(self) -> None:
        """Of the encodes that were made, those that bring the title nearest for the fewest bits."""
        whole = len(self.selected) == len(self.shots)
        slope = self._free_slope() if whole and self.objective == "pooled" else 0.0
        for shot in self.selected:
            mine = [each for each in self.results if each.shot == shot]
            self.selected[shot] = min(mine, key=lambda each: self._rank(each, slope))
        changed = whole and self.objective != "worst"
        while changed:
            changed = False
            for each in self.results:
                before, was = self.selected[each.shot], self._miss()
                self.selected[each.shot] = each
                if self._miss() < was:
                    changed = True
                else:
                    self.selected[each.shot] = before

    def _rank(self, result: ShotResult, slope: float) -> tuple[float, float]:
        """Of several encodes of one shot, the least is taken."""
        if self.objective == "worst":
            return max(self._floor(result.shot) - result.value, 0.0), result.bits
        if self.objective == "even":
            return abs(result.value - self.target), result.bits
        return result.bits - slope * self.shots[result.shot].frames * result.value, 0.0

    def _miss(self) -> tuple[float, float, float]:
        """How far the title is below its target, above its window, and what it costs."""
        value = self.value
        cost = sum(each.bits for each in self.selected.values())
        if self.objective == "even":
            cost = sum(
                self.shots[shot].frames * max(abs(each.value - self.target) - BEARS["even"], 0.0)
                for shot, each in self.selected.items()
            )
        return max(self.target - value, 0.0), max(value - self.target - WINDOW, 0.0), cost
