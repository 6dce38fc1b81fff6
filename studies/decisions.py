"""What answers of `vqcast tune` are worth: its search replayed on measured curves, out of group.

    python -m studies.decisions --corpus a.jsonl.gz --evidence docs/evidence/decisions.json
    python -m studies.decisions --report docs/evidence/decisions.json --page docs/tune.md

A title is one source with one encoder and preset: between its measured qualities score, size and
features are interpolated (PCHIP), and each score is put off by the scatter that the forecaster
takes one encode to have. The forecaster has no curve of the title's content group. Every floor is a
probability that an answer must have; each is asked for every target that the title has. What share
of the titles a floor delivers is judged on a fifth of the groups, the floor picked on the others;
with --shares the floors of all are written to where `vqcast tune` takes them from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.stats import binomtest

from vqcast.corpus.table import load
from vqcast.documents import codec
from vqcast.documents.shares import ShareTable
from vqcast.durable.files import write_atomic
from vqcast.forecast import curves as measured
from vqcast.forecast.curves import MeasuredCurve
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.latent import to_latent, to_score
from vqcast.forecast.table import load_table
from vqcast.pages import blocks
from vqcast.tuning import shares
from vqcast.tuning.grid import grid_of
from vqcast.tuning.search import Goal, Record, search

Array = NDArray[np.float64]
MEASURE, NAME = "vmaf/mean", "studies.decisions"
FLOORS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
SHOWN = (0.8, 0.9, 0.95)
"""Of floors, and of shares that are asked for, those on the page."""
FOLDS = 5
TARGETS = (80.0, 85.0, 88.0, 90.0, 92.0, 93.0, 94.0, 95.0, 96.0, 97.0)
LEAST = 9
"""Qualities of a curve that stands for a title."""
_SEED = 17


@dataclass(frozen=True, slots=True)
class Title:
    """What every quality of a title's grid would measure, ``[grid]`` each."""

    group: str
    encoder: str
    preset: str | None
    crfs: Array
    score: Array
    bits: Array
    features: Array
    """``[grid, 6]``."""

    @classmethod
    def of(cls, curve: MeasuredCurve, scatter: float) -> Title:
        """A curve between its measured qualities."""
        crfs = grid_of(curve.encoder).crfs
        crfs = crfs[(crfs >= curve.cq[0]) & (crfs <= curve.cq[-1])]
        seed = np.frombuffer(f"{curve.src}{curve.encoder}{curve.preset}".encode(), np.uint8)
        away = np.random.default_rng([_SEED, *seed.tolist()]).normal(0.0, scatter, len(crfs))
        latent = PchipInterpolator(curve.cq, to_latent(curve.score[MEASURE]))(crfs)
        return cls(
            curve.group, curve.encoder, curve.preset, crfs, to_score(latent + away),
            2.0 ** PchipInterpolator(curve.cq, np.log2(curve.bits_per_pixel))(crfs),
            PchipInterpolator(curve.cq, curve.features)(crfs),
        )  # fmt: skip

    def probe(self, index: int) -> Probe:
        """What a probe there would see."""
        return Probe(
            float(self.crfs[index]), float(self.score[index]), float(self.bits[index]),
            self.features[index],
        )  # fmt: skip

    def best(self, target: float) -> int | None:
        """The highest CRF that reaches ``target``; None: none does, or all do."""
        reached = np.flatnonzero(self.score >= target)
        inside = len(reached) and reached[-1] + 1 < len(self.crfs)
        return int(reached[-1]) if inside else None


def decide(title: Title, forecaster: Forecaster, goal: Goal, best: int) -> dict[str, Any] | None:
    """One tuning of a title probed whole; None where it ended without an answer."""
    seen = Record()
    forecast, state = search(
        forecaster, title.crfs, goal, seen, lambda index: seen.add(index, title.probe(index))
    )
    if state.answer is None:
        return None
    lower, upper = forecast.bounds(0.9)
    answer, score = state.answer, float(title.score[state.answer])
    return {
        "group": title.group, "encoder": title.encoder, "target": goal.target,
        "floor": goal.floor, "probes": seen.count, "verified": answer in seen.known,
        "stated": round(float(state.probability[answer]), 5), "met": score >= goal.target,
        "inside": bool(lower[answer] <= score <= upper[answer]),
        "waste": round(float(title.bits[answer] / title.bits[best]) - 1.0, 5),
    }  # fmt: skip


@cache
def _forecaster(registry: Path | None, encoder: str, preset: str | None, group: str) -> Forecaster:
    table, _ = load_table(registry)
    return Forecaster.from_table(table, encoder, preset, without={group})


def _of_title(title: Title, registry: Path | None, floors: Sequence[float]) -> list[dict[str, Any]]:
    """Every target and floor of one title."""
    forecaster = _forecaster(registry, title.encoder, title.preset, title.group)
    found = []
    for target in TARGETS:
        if (best := title.best(target)) is not None:
            for floor in floors:
                made = decide(title, forecaster, Goal(target, floor), best)
                found += [made] if made else []
    return found


def _decided(
    titles: Sequence[Title], registry: Path | None, floors: Sequence[float]
) -> list[dict[str, Any]]:
    with ProcessPoolExecutor() as workers:
        made = workers.map(_of_title, titles, repeat(registry), repeat(floors))
        return [each for some in made for each in some]


def measure(corpora: Sequence[Path], registry: Path | None) -> dict[str, Any]:
    """All decisions, and what they were made with."""
    shipped, row = load_table(registry)
    read = [load(path) for path in corpora]
    curves, _ = measured.read(read)
    scatter = shipped.recipe.score_noise
    titles = [Title.of(each, scatter) for each in curves if len(each.cq) >= LEAST]
    made, groups = _decided(titles, registry, FLOORS), sorted({title.group for title in titles})
    asked: list[dict[str, Any]] = []
    for fold in range(FOLDS):
        judged = set(groups[fold::FOLDS])
        met = _met([each for each in made if each["group"] not in judged])
        floors = {shares.floor_of(share, [*FLOORS], met): share for share in SHOWN}
        mine = [title for title in titles if title.group in judged]
        asked += [{**each, "share": floors[each["floor"]]} for each in
                  _decided(mine, registry, [*floors])]  # fmt: skip
    return {
        "schema_version": 1, "model": row.id, "table_sha256": row.sha256,
        "corpora": [corpus.sha256 for corpus in read], "titles": len(titles),
        "groups": len(groups), "decisions": _columns(made), "asked": _columns(asked),
    }  # fmt: skip


def _met(made: Sequence[dict[str, Any]]) -> list[float]:
    """The share that met its target at each floor."""
    return [float(np.mean([e["met"] for e in made if e["floor"] == floor])) for floor in FLOORS]


def table(document: dict[str, Any]) -> ShareTable:
    """What each floor delivers, as `vqcast tune` reads it."""
    made = rows(document["decisions"])
    met = [round(each, 4) for each in _met(made)]
    return ShareTable(
        forecaster=document["table_sha256"], decisions=len(made) // len(FLOORS), floors=[*FLOORS],
        met=met,
    )  # fmt: skip


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """A list a field, which is less to write than a field a row."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A dictionary a decision."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def report(document: dict[str, Any]) -> str:
    """The page's block."""
    made, asked = rows(document["decisions"]), rows(document["asked"])
    lines = [
        f"`{document['model']}` (sha256 `{document['table_sha256'][:16]}`), {document['titles']} "
        f"titles of {document['groups']} content groups, targets "
        f"{', '.join(f'{target:g}' for target in TARGETS)}. In brackets: exact 95 % intervals, as "
        "if each decision were of another title.",
        "",
        "| asked for | encoder | decisions | met | of the forecasts: stated | met "
        "| inside their 90 % interval | probes | size wasted, mean | 95th percentile |",
        "|---|---|---:|---|---:|---|---|---:|---:|---:|",
    ]
    encoders = sorted({each["encoder"] for each in made})
    for word, found, field in (("", asked, "share"), ("each ", made, "floor")):
        for share in SHOWN:
            for name in (None, *encoders):
                mine = [e for e in found if e[field] == share and name in (None, e["encoder"])]
                lines.append(_row(f"{word}{share:.0%}", name or "all", mine))
    known = table(document)
    floors = [f"{shares.floor_of(share, known.floors, known.met):.2f}" for share in SHOWN]
    lines += ["", f"Shares of {', '.join(f'{share:.0%}' for share in SHOWN)} are asked for by "
              f"answers of a probability of {', '.join(floors)} at least."]  # fmt: skip
    return "\n".join(lines).replace("%", " %").replace("  %", " %")


def _row(asked: str, name: str, made: Sequence[dict[str, Any]]) -> str:
    guessed = [each for each in made if not each["verified"]]
    waste = np.array([each["waste"] for each in made])
    stated = np.mean([each["stated"] for each in guessed])
    cells = [
        asked, name, str(len(made)), _share(made, "met"), f"{stated:.1%}",
        _share(guessed, "met"), _share(guessed, "inside"),
        f"{np.mean([each['probes'] for each in made]):.2f}", f"{waste.mean():.2%}",
        f"{np.quantile(waste, 0.95):.1%}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _share(made: Sequence[dict[str, Any]], what: str) -> str:
    """The share of which it is true, with its exact interval."""
    count = sum(each[what] for each in made)
    if not made:
        return "-"
    found = binomtest(count, len(made)).proportion_ci(0.95, "exact")
    return f"{count / len(made):.1%} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def main() -> None:
    """Replay and write the evidence, or write its table into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--registry", type=Path, help="default: the forecaster that ships")
    parser.add_argument("--evidence", type=Path, help="where the decisions are written")
    parser.add_argument("--report", type=Path, help="evidence that is there")
    parser.add_argument("--shares", action="store_true", help="write tuning/shares.json")
    parser.add_argument("--page", type=Path, help="the page that holds the table")
    given = parser.parse_args()
    if given.report is not None:
        document = json.loads(given.report.read_text())
    else:
        document = measure(given.corpus, given.registry)
    if given.evidence is not None:
        write_atomic(given.evidence, (json.dumps(document) + "\n").encode())
    if given.shares:
        write_atomic(shares.TABLE, codec.to_bytes(table(document)))
    text = report(document)
    print(text)
    if given.page is not None:
        blocks.write(given.page, NAME, text)


if __name__ == "__main__":
    main()
