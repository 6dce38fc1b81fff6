"""What each part of the CRF forecaster is worth, every content group held out in turn.

    python -m studies.forecast_ablation --corpus a.jsonl.gz --corpus b.jsonl.gz --page PAGE.md

One row a candidate: mean absolute error of vmaf/mean at unprobed qualities after one, two and
three probes. Groups weigh the same, and all candidates see the same probes. Kept are the curves
that the evidence counts. The network is fitted anew for each group, for one probe.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vqcast.documents.forecast import CorpusPin, ForecastRecipe
from vqcast.forecast import curves as measured
from vqcast.forecast import fit as learn
from vqcast.forecast import latent
from vqcast.forecast.curves import DENSE_QUALITIES, MeasuredCurve
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.latent import to_latent, to_score
from vqcast.forecast.prior import MIN_CURVES
from vqcast.forecast.rivals import FLOOR_RIDGES, gaussian_floor, straight_lines
from vqcast.pages import blocks
from vqcast.vocab import preset_norm

Array = NDArray[np.float64]
Candidate = Callable[[MeasuredCurve, list[int], list[int]], Array]
"""A held-out curve, the indexes probed and those to forecast -> scores in VMAF points."""

MEASURE = "vmaf/mean"
NAME = "studies.forecast_ablation"
FAR = 1e6
RECIPES: tuple[tuple[str, dict[str, float], int, float], ...] = (
    ("scores alone, own encoder alone, all titles alike",
     {"own_weight": 1.0, "nearness": FAR}, 1, latent.TOP),
    ("scores alone, other encoders too", {"nearness": FAR}, 1, latent.TOP),
    ("scores alone, nearest titles first", {}, 1, latent.TOP),
    ("with bits", {}, 2, latent.TOP),
    ("**with bits and canonical-6: ships**", {}, 8, latent.TOP),
    ("all titles alike", {"nearness": FAR}, 8, latent.TOP),
    ("own encoder alone", {"own_weight": 1.0}, 8, latent.TOP),
    ("all encoders alike", {"own_weight": 0.0}, 8, latent.TOP),
    ("shrinkage 0", {"shrinkage": 0.0}, 8, latent.TOP),
    ("shrinkage 0.1", {"shrinkage": 0.1}, 8, latent.TOP),
    ("10 nodes", {"nodes": 10}, 8, latent.TOP),
    ("scale ends at 100.6", {}, 8, 100.6),
    ("scale ends at 105", {}, 8, 105.0),
    ("scale ends at 130", {}, 8, 130.0),
)  # fmt: skip


def main() -> None:
    """Measure every row, print it, and write the table into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    parser.add_argument("--page", type=Path, help="the page that holds the table")
    parser.add_argument("--no-network", action="store_true", help="leave the slowest row out")
    options = parser.parse_args()
    curves, pins = measured.read(options.corpus)
    counted = [curve for curve in curves if _counts(curve, curves)]
    rows = ["| candidate | 1 probe | 2 probes | 3 probes |", "|---|---:|---:|---:|"]
    for name, errors in _rows(curves, counted, pins, network=not options.no_network):
        cells = ["-" if error is None else f"{error:.3f}" for error in errors]
        rows.append(f"| {name} | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    if options.page is not None:
        blocks.write(options.page, NAME, "\n".join(rows))


def _counts(curve: MeasuredCurve, curves: Sequence[MeasuredCurve]) -> bool:
    others = [each for each in curves if _alike(each, curve)]
    return len(curve.cq) >= DENSE_QUALITIES and len(others) >= MIN_CURVES


def _alike(other: MeasuredCurve, curve: MeasuredCurve) -> bool:
    same = (other.encoder, other.preset) == (curve.encoder, curve.preset)
    return same and other.group != curve.group


def _rows(
    curves: Sequence[MeasuredCurve],
    counted: Sequence[MeasuredCurve],
    pins: Sequence[CorpusPin],
    *,
    network: bool,
) -> Iterator[tuple[str, Sequence[float | None]]]:
    floors = [_errors(counted, _floor(curves, ridge)) for ridge in FLOOR_RIDGES]
    yield (
        "Gaussian floor, the best of three ridges",
        [min(each) for each in zip(*floors, strict=True)],
    )
    lines = _errors(counted, lambda c, p, r: straight_lines(c, MEASURE, p, r), probes=(2, 3))
    yield "straight lines between the probes", [None, *lines]
    shipped = latent.TOP
    for name, changed, channels, top in RECIPES:
        latent.TOP = top
        yield name, _errors(counted, _gaussian(curves, pins, changed, channels))
    latent.TOP = shipped
    if network:
        yield (
            "network, codec-aware",
            [*_errors(counted, _network(counted), probes=(1,)), None, None],
        )


def _errors(
    counted: Sequence[MeasuredCurve], candidate: Candidate, probes: Sequence[int] = (1, 2, 3)
) -> list[float]:
    found = []
    for choice in (learn.POSITIONS[count][0] for count in probes):
        groups: dict[str, list[Array]] = {}
        for curve in counted:
            low, high = _axis(curve, counted)
            position = (curve.cq - low) / (high - low)
            probed = sorted({int(np.argmin(np.abs(position - each))) for each in choice})
            rest = [index for index in range(len(curve.cq)) if index not in probed]
            away = np.abs(candidate(curve, probed, rest) - curve.score[MEASURE][rest])
            groups.setdefault(curve.group, []).append(away)
        found.append(float(np.mean([np.concatenate(each).mean() for each in groups.values()])))
    return found


def _axis(curve: MeasuredCurve, counted: Sequence[MeasuredCurve]) -> tuple[float, float]:
    return measured.axes_of([each for each in counted if each.encoder == curve.encoder])[
        curve.encoder
    ]


def _floor(curves: Sequence[MeasuredCurve], ridge: float) -> Candidate:
    def forecast(curve: MeasuredCurve, probed: list[int], rest: list[int]) -> Array:
        others = [each for each in curves if _alike(each, curve)]
        return gaussian_floor(curve, others, MEASURE, probed, rest, ridge)

    return forecast


def _gaussian(
    curves: Sequence[MeasuredCurve],
    pins: Sequence[CorpusPin],
    changed: dict[str, float],
    channels: int,
) -> Candidate:
    table = learn.empty_table(curves, pins, msgspec.structs.replace(ForecastRecipe(), **changed))
    models: dict[tuple[str, str, str | None], Forecaster] = {}

    def forecast(curve: MeasuredCurve, probed: list[int], rest: list[int]) -> Array:
        key = (curve.group, curve.encoder, curve.preset)
        if key not in models:
            models[key] = Forecaster.from_table(
                table, curve.encoder, curve.preset, without={curve.group}, channels=channels
            )
        probes = [
            Probe(
                float(curve.cq[index]),
                float(curve.score[MEASURE][index]),
                float(curve.bits_per_pixel[index]),
                curve.features[index],
            )
            for index in probed
        ]
        return models[key].forecast(probes, curve.cq[rest]).score

    return forecast


def _network(counted: Sequence[MeasuredCurve]) -> Candidate:
    """Two hidden layers on what one probe says, its codec block and the target's quality."""
    import torch

    torch.set_num_threads(1)
    encoders = sorted({curve.encoder for curve in counted})
    axes = measured.axes_of(counted)
    fitted: dict[str, Callable[[Array], Array]] = {}

    def inputs(curve: MeasuredCurve, probe: int, targets: list[int]) -> Array:
        low, high = axes[curve.encoder]
        position = (curve.cq - low) / (high - low)
        side = latent.side_channels(float(curve.bits_per_pixel[probe]), curve.features[probe])
        block = [float(curve.encoder == name) for name in encoders]
        own = [float(to_latent(curve.score[MEASURE][probe])), *side, position[probe], *block,
               preset_norm(curve.encoder, curve.preset)]  # fmt: skip
        return np.array([[*own, position[target]] for target in targets])

    def fit(group: str) -> Callable[[Array], Array]:
        rows, goals = [], []
        for curve in counted:
            if curve.group == group:
                continue
            z = to_latent(curve.score[MEASURE])
            for probe in range(len(curve.cq)):
                rows.append(inputs(curve, probe, list(range(len(curve.cq)))))
                goals.append(z - z[probe])
        x, y = np.concatenate(rows), np.concatenate(goals)
        mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-8
        torch.manual_seed(0)
        layers = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], 64), torch.nn.GELU(),
            torch.nn.Linear(64, 64), torch.nn.GELU(), torch.nn.Linear(64, 1),
        )  # fmt: skip
        optimizer = torch.optim.Adam(layers.parameters(), lr=2e-3, weight_decay=1e-5)
        scaled = torch.tensor((x - mean) / spread, dtype=torch.float32)
        wanted = torch.tensor(y[:, None], dtype=torch.float32)
        for _ in range(40):
            for part in torch.randperm(len(scaled)).split(256):  # type: ignore[no-untyped-call]
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(layers(scaled[part]), wanted[part]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

        def predict(values: Array) -> Array:
            with torch.no_grad():
                ready = torch.tensor((values - mean) / spread, dtype=torch.float32)
                return np.asarray(layers(ready).numpy()[:, 0], dtype=np.float64)

        return predict

    def forecast(curve: MeasuredCurve, probed: list[int], rest: list[int]) -> Array:
        if curve.group not in fitted:
            fitted[curve.group] = fit(curve.group)
        (probe,) = probed
        rise = fitted[curve.group](inputs(curve, probe, rest))
        return to_score(to_latent(curve.score[MEASURE][probe]) + rise)

    return forecast


if __name__ == "__main__":
    main()
