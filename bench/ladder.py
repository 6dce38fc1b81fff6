r"""Ladders and comparisons of titles held out, against every encode of the grid.

    python bench/ladder.py --evidence docs/evidence/heights.json --out docs/evidence/ladder.json \
        --table src/vqcast/forecast/heights.json
    python bench/ladder.py --report docs/evidence/ladder.json --markdown docs/ladder.md

The encodes are those of `bench/heights.py`, read back: between its CRFs a title's curve is a
monotone spline. Each title is forecast by a forecaster and a table of heights that have not seen
its group, with the code of `vqcast ladder`; a probe is a look-up. A first run finds by how much
intervals must be wider to hold what they say; in the second each title is widened by the others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import heights as measured
import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vqcast.documents import codec
from vqcast.documents.heights import HeightTable
from vqcast.durable.files import write_atomic
from vqcast.forecast import height_fit
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.height_fit import HeightCurve, TitleCurves
from vqcast.forecast.heights import Heights, hints
from vqcast.forecast.hull import bd_rate, hull
from vqcast.forecast.latent import to_latent, to_score
from vqcast.forecast.table import load_table
from vqcast.media.source import Source
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks
from vqcast.tuning import ladder, search
from vqcast.tuning.glimpse import Glimpse
from vqcast.tuning.ladder import LadderRequest
from vqcast.tuning.machine import Machine
from vqcast.tuning.search import Goal
from vqcast.tuning.surface import Surface, SurfaceProbe, _Room

Array = NDArray[np.float64]
Row = dict[str, Any]
PROBES = (2, 3, 4, 8)
CONFIDENCE = 0.95
GOAL = (90, 1.0)
"""Percent fewer encodes, and BD-rate loss in percent."""
TARGETS = (85.0, 93.0)
LINES = (1080, 720, 540, 360)
"""Names of the heights that are shares of a title's own."""
DISPLAY = (1920, 1080)


@dataclass(frozen=True, slots=True)
class Truth:
    """One measured curve at any CRF between its ends."""

    curve: HeightCurve

    def at(self, crf: Array | float) -> tuple[Array, Array]:
        """Scores, and log2 bits a pixel."""
        one = self.curve
        score = PchipInterpolator(one.crfs, to_latent(one.scores))(crf)
        return to_score(score), PchipInterpolator(one.crfs, np.log2(one.bits_per_pixel))(crf)

    def probe(self, crf: float) -> Probe:
        """What an encode would have measured."""
        score, bits = self.at(crf)
        features = [np.interp(crf, self.curve.crfs, each) for each in self.curve.features.T]
        return Probe(crf, float(score), float(2.0**bits), np.array(features))

    @property
    def grid(self) -> Array:
        """Every whole CRF."""
        return np.arange(self.curve.crfs[0], self.curve.crfs[-1] + 1)


@dataclass(frozen=True, slots=True)
class Replayed(Surface):
    """A surface whose probes are look-ups, and which has not seen the title's group."""

    title: TitleCurves | None = None
    table: HeightTable | None = None
    model: Forecaster | None = None

    @property
    def steps(self) -> HeightTable:
        """Of the other groups."""
        assert self.table is not None
        return self.table

    def curves(self, encoder: str, preset: str | None) -> Heights:
        """See `Surface.curves`."""
        assert self.title is not None and self.model is not None
        seen = [(each.height / DISPLAY[1], each.seen) for each in self.probes]
        before = hints(self.steps, self.title.motion, self.title.ceilings.tolist())
        return Heights.of(self.model, self.steps, self.before.ceilings, seen, before)

    def measure(
        self, encoder: str, preset: str | None, crf: float, height: int | None = None
    ) -> SurfaceProbe:
        """See `Surface.measure`."""
        assert self.title is not None
        made = truth_of(self.title, height or DISPLAY[1]).probe(max(crf, 18.0))
        rate = self._kbps(made.bits_per_pixel)
        return SurfaceProbe(encoder, preset, made.crf, height or DISPLAY[1], made.score, rate,
                            24, False, True, (0.0, 0.0), made)  # fmt: skip


def truth_of(title: TitleCurves, height: int) -> Truth:
    """The title's curve at one of LINES."""
    return Truth((title.own, *title.lower)[LINES.index(height)])


def replayed(title: TitleCurves, table: HeightTable, model: Forecaster) -> Replayed:
    """A surface of ``title`` before any probe."""
    source = Source(Path("/title.mkv"), title.own.group, "0" * 64, *DISPLAY, 8, 24)
    room = _Room(source, find_ffmpeg(), Machine(), None, DISPLAY, "vmaf", CONFIDENCE, None, None,
                 (title.own.group,), None, None)  # type: ignore[arg-type]  # fmt: skip
    tops = {share: float(each) for share, each in zip(table.shares, title.ceilings, strict=True)}
    exact = dict(zip((each / DISPLAY[1] for each in LINES[1:]), tops.values(), strict=True))
    return Replayed(room, Glimpse(title.motion, tops | exact, 24), (), title, table, model)


def one_ladder(title: TitleCurves, surface: Replayed, probes: int) -> Row:
    """What a ladder of so many encodes is worth on one title."""
    asked = LadderRequest(
        encoder=measured.KIND[0], preset=measured.KIND[1], heights=LINES, probes=probes,
        confidence=CONFIDENCE,
    )  # fmt: skip
    result = ladder.climb(surface, asked, lambda probe: None, 0.0)
    truths = {height: truth_of(title, height) for height in LINES}
    cells = [(height, crf) for height in LINES for crf in truths[height].grid]
    scores, bits = (np.array(each) for each in zip(*(truths[h].at(c) for h, c in cells),
                                                   strict=True))  # fmt: skip
    best = hull(bits, scores)
    chosen = [each for each in result.hull if each.crf >= 18]
    mine, rates = (np.array(each) for each in zip(
        *(truths[each.height].at(each.crf) for each in chosen), strict=True))  # fmt: skip
    inside = (mine >= asked.bottom - 5) & (mine <= asked.top + 1)
    mine, rates = mine[inside], rates[inside]
    on = hull(rates, mine)
    rungs = []
    for each in result.rungs:
        if each.crf < 18:
            continue
        score, log2_bits = truths[each.height].at(each.crf)
        rate = surface._kbps(float(2.0**log2_bits))
        least = float(np.interp(score, scores[best], bits[best]))
        rungs.append({
            "score_error": round(abs(float(score) - each.score), 4),
            "rate_error": round(abs(rate / each.bitrate_kbps - 1), 5),
            "score_ratio": ratio(float(score), each.lower, each.score, each.upper, 0.005),
            "rate_ratio": ratio(*np.log2([rate, each.bitrate_lower, each.bitrate_kbps,
                                          each.bitrate_upper]), 0.001),
            "more_bits": round(float(2.0 ** (log2_bits - least) - 1), 5),
        })  # fmt: skip
    loss = bd_rate(2.0 ** bits[best], scores[best], 2.0 ** rates[on], mine[on])
    return {"group": title.own.group, "asked": probes, "probes": len(result.probes),
            "bd_rate": round(loss, 4), "rungs": rungs}  # fmt: skip


def ratio(true: float, lower: float, middle: float, upper: float, least: float) -> float:
    """How far the truth is from the forecast, as a share of the interval's half there."""
    half = upper - middle if true > middle else middle - lower
    return round(float(max(abs(true - middle) - least, 0.0) / max(half, least)), 4)


def factor(rows: Sequence[Sequence[float]]) -> float:
    """What half widths of 95 % must be multiplied by: conformal over titles that weigh alike."""
    values = np.concatenate([np.asarray(each) for each in rows if len(each)])
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in rows if len(each)])
    order = np.argsort(values)
    covered = np.cumsum(weights[order]) / (len(rows) + 1)
    at = min(int(np.searchsorted(covered, CONFIDENCE)), len(values) - 1)
    return max(round(float(values[order][at]), 3), 1.0)


def widened(known: Row, without: str = "") -> list[list[float]]:
    """Factors before and after probes by what the first run found, one group left out."""
    found = []
    for rows, names in (
        (known["explained"], ("glimpse_score_ratios", "glimpse_rate_ratios")),
        (known["rungs"], ("score_ratios", "rate_ratios")),
    ):
        others = [row for row in rows if row["group"] != without]
        found.append([factor([row[name] for row in others]) for name in names])
    return found


def ladders(
    titles: Sequence[TitleCurves], probes: Sequence[int], known: Row | None = None
) -> list[Row]:
    """Every title held out in turn, with each number of probes; ``known``: widened by it."""
    axis = measured.forecaster("").axis
    away = height_fit.left_out(titles, *measured.KIND, measured.forecaster)
    rows = []
    for index, title in enumerate(titles):
        others = [*titles[:index], *titles[index + 1 :]]
        table = height_fit.calibrated(
            height_fit.fit(others, *measured.KIND, axis), [*away[:index], *away[index + 1 :]]
        )
        if known is not None:
            table = msgspec.structs.replace(table, widened=widened(known, title.own.group))
        model = measured.forecaster(title.own.group)
        rows += [one_ladder(title, replayed(title, table, model), each) for each in probes]
        print(title.own.group, [each["bd_rate"] for each in rows[-len(probes) :]], flush=True)
    return rows


def explained(titles: Sequence[TitleCurves], known: Row | None = None) -> list[Row]:
    """Forecasts of the own height before any probe, with and without a glimpse of the title."""
    axis, rows = measured.forecaster("").axis, []
    for index, title in enumerate(titles):
        table = height_fit.fit([*titles[:index], *titles[index + 1 :]], *measured.KIND, axis)
        model = measured.forecaster(title.own.group)
        own, row = title.own, {"group": title.own.group}
        for name, seen in (
            ("blind", []), ("glimpse", hints(table, title.motion, title.ceilings.tolist())),
        ):  # fmt: skip
            if known is not None and seen:
                table = msgspec.structs.replace(table, widened=widened(known, own.group))
            made = Heights.of(model, table, {}, [], seen).forecast(1.0, own.crfs)
            low, high = made.bounds(CONFIDENCE)
            bits = np.log2(made.bits_per_pixel(CONFIDENCE))
            true = np.log2(own.bits_per_pixel)
            row |= {
                f"{name}_score": round(float(np.abs(made.score - own.scores).mean()), 3),
                f"{name}_rate": round(float((2.0 ** np.abs(bits[0] - true) - 1).mean()), 4),
                f"{name}_score_in": float(((low <= own.scores) & (own.scores <= high)).mean()),
                f"{name}_rate_in": float(((bits[1] <= true) & (true <= bits[2])).mean()),
                f"{name}_score_ratios": [
                    ratio(*each, 0.005) for each in zip(own.scores, low, made.score, high,
                                                        strict=True)
                ],
                f"{name}_rate_ratios": [
                    ratio(*each, 0.001) for each in zip(true, bits[1], bits[0], bits[2],
                                                        strict=True)
                ],
            }  # fmt: skip
        rows.append(row)
    return rows


def comparisons(rows: Sequence[Row]) -> list[Row]:
    """Of titles measured with several encoders, the smallest at a target against the truth."""
    found = []
    table, _ = load_table(None)
    for group in dict.fromkeys(row["group"] for row in rows):
        own = [row for row in rows if row["group"] == group and row["share"] == 1.0]
        if len(own) < 2:
            continue
        for target in TARGETS:
            told: list[Any] = []
            made = []
            for row in own:
                kind = (row["encoder"], row["preset"])
                one = Truth(replace(measured.curve_of(row), features=np.array(row["features"])))
                model = Forecaster.from_table(table, *kind, without={group}, told=told)
                answer = _tuned(model, one, target)
                told += [(kind, each) for each in answer.pop("seen")]
                made.append({"kind": " ".join(kind)} | answer)
            found.append({"group": group, "target": target, "rows": made})
    return found


def _tuned(model: Forecaster, one: Truth, target: float) -> Row:
    """The search of a tuning on one curve: answer, forecast size, and the sizes that are true."""
    crfs, goal = one.grid, Goal(target, CONFIDENCE)
    seen: list[Probe] = []
    known: dict[int, float] = {}
    while True:
        forecast = model.forecast(seen, crfs)
        state = search.assess(forecast, goal, known)
        spread = model.score_spreads[min(len(seen) + 1, len(model.score_spreads) - 1)]
        index = None
        if not search.settled(state, goal, known) and len(seen) < 8:
            index = search.next_probe(forecast, goal, known, known, spread)
        if index is None and not seen:
            index = int(abs(state.probability - 0.5).argmin())
        if index is None:
            break
        seen.append(one.probe(float(crfs[index])))
        known[index] = seen[-1].score
    scores, bits = one.at(crfs)
    reached = np.flatnonzero(scores >= target)
    best = int(reached[-1]) if len(reached) else 0
    answer = state.answer if state.answer is not None else 0
    sizes = forecast.bits_per_pixel(CONFIDENCE)
    exact = answer in known
    return {
        "seen": seen, "probes": len(seen), "crf": float(crfs[answer]), "best": float(crfs[best]),
        "size": float(2.0 ** bits[answer] if exact else sizes[0][answer]),
        "size_in": bool(exact or sizes[1][answer] <= 2.0 ** bits[answer] <= sizes[2][answer]),
        "exact": exact, "true_best": float(2.0 ** bits[best]), "reached": bool(len(reached)),
    }  # fmt: skip


def report(document: Row) -> str:
    """The page's block."""
    rows, grid = document["ladders"], document["cells"]
    groups = len({row["group"] for row in rows})
    lines = [
        *_headline(document), "",
        f"{groups} titles, each held out; {len(LINES)} heights; {grid} cells of whole CRFs, "
        f"interpolated from the {document['measured']} that were encoded.", "",
        "| encodes, at most | made | fewer than all cells | than those measured "
        "| BD-rate loss, mean | median | worst | more bits, rungs | error of score | of bitrate "
        "| score in 95 % "
        "| bitrate in 95 % |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for asked in PROBES:
        own = [row for row in rows if row["asked"] == asked]
        made = np.mean([row["probes"] for row in own])
        loss = np.array([row["bd_rate"] for row in own])
        rungs = [rung for row in own for rung in row["rungs"]]

        def mean(name: str, rungs: list[Row] = rungs) -> float:
            return float(np.mean([rung[name] for rung in rungs]))

        def inside(name: str, rungs: list[Row] = rungs) -> str:
            return f"{100 * np.mean([rung[name] <= 1 for rung in rungs]):.0f} %"

        lines.append(
            f"| {asked} | {made:.1f} | {100 * (1 - made / grid):.1f} % "
            f"| {100 * (1 - made / document['measured']):.0f} % | {loss.mean():.2f} % "
            f"| {np.median(loss):.2f} % | {loss.max():.2f} % | {100 * mean('more_bits'):.2f} % "
            f"| {mean('score_error'):.2f} | {100 * mean('rate_error'):.1f} % "
            f"| {inside('score_ratio')} | {inside('rate_ratio')} |"
        )
    lines += ["", *_compared(document["comparisons"]), "", *_explained(document["explained"])]
    return "\n".join(lines) + "\n"


def _headline(document: Row) -> list[str]:
    """Whether the goal is met, in numbers."""
    lines = []
    for asked in (PROBES[-1], PROBES[1]):
        own = [row for row in document["ladders"] if row["asked"] == asked]
        made = float(np.mean([row["probes"] for row in own]))
        loss = float(np.mean([row["bd_rate"] for row in own]))
        spared = [100 * (1 - made / document[each]) for each in ("cells", "measured")]
        met = "met" if loss <= GOAL[1] and spared[0] >= GOAL[0] else "not met"
        lines.append(
            f"With at most {asked} encodes, {made:.1f} on average, the hull that `vqcast ladder` "
            f"finds takes {loss:.2f} % more bits for the same score than the exhaustive one "
            f"(BD-rate, mean of titles held out), and {spared[0]:.1f} % fewer encodes than every "
            f"height at every whole CRF. Goal: at least {GOAL[0]} % fewer at {GOAL[1]:.1f} % or "
            f"less: {met}. Than the sparse grid that was really encoded, {spared[1]:.0f} % fewer."
        )
    return ["\n\n".join(lines)]


def _compared(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| target | titles | smallest chosen | within 1 % of the smallest | unprobed sizes in 95 % "
        "| probes a row |", "|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for target in TARGETS:
        own = [row for row in rows if row["target"] == target]
        right = near = 0
        for row in own:
            pick = min(row["rows"], key=lambda each: each["size"])
            best = min(each["true_best"] for each in row["rows"] if each["reached"])
            right += pick["true_best"] <= best
            near += pick["true_best"] <= 1.01 * best
        every = [each for row in own for each in row["rows"]]
        unprobed = [each["size_in"] for each in every if not each["exact"]]
        lines.append(
            f"| {target:g} | {len(own)} | {right} | {near} "
            f"| {sum(unprobed)} of {len(unprobed)} "
            f"| {np.mean([each['probes'] for each in every]):.1f} |"
        )
    return lines


def _explained(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| before any encode | error of score | of bitrate | score in 95 % | bitrate in 95 % |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, words in (("blind", "nothing is known"), ("glimpse", "pictures scaled and back")):
        score, rate, score_in, rate_in = (
            float(np.mean([row[f"{name}_{each}"] for row in rows]))
            for each in ("score", "rate", "score_in", "rate_in")
        )
        lines.append(
            f"| {words} | {score:.2f} | {100 * rate:.0f} % | {100 * score_in:.0f} % "
            f"| {100 * rate_in:.0f} % |"
        )
    return lines


def main() -> None:
    """Replay, or write the page's block."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evidence", type=Path, help="of bench/heights.py")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path, help="widen this table by what was found")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    if given.report:
        document = json.loads(given.report.read_text())
        blocks.write(given.markdown, "bench/ladder.py", report(document))
        return
    rows = json.loads(given.evidence.read_text())["curves"]
    titles = height_fit.titles_of(measured.curves_of(rows))
    crfs = measured.CRFS[measured.KIND[0]]
    known: Row = {"explained": explained(titles), "rungs": [
        {"group": row["group"], "score_ratios": [each["score_ratio"] for each in row["rungs"]],
         "rate_ratios": [each["rate_ratio"] for each in row["rungs"]]}
        for row in ladders(titles, PROBES[-1:])
    ]}  # fmt: skip
    document = {
        "schema_version": 1, "widened": widened(known),
        "cells": len(LINES) * (crfs[-1] - crfs[0] + 1), "measured": len(LINES) * len(crfs),
        "explained": explained(titles, known),
        "comparisons": comparisons(rows), "ladders": ladders(titles, PROBES, known),
    }  # fmt: skip
    write_atomic(given.out, (json.dumps(document, indent=1) + "\n").encode())
    print(report(document))
    if given.table:
        table = codec.from_bytes(HeightTable, given.table.read_bytes(), where=str(given.table))
        table = msgspec.structs.replace(table, widened=document["widened"])
        write_atomic(given.table, codec.to_line(table))


if __name__ == "__main__":
    main()
