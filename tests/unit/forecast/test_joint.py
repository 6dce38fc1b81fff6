"""One distribution over encoders and presets: what a probe of one tells of another."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from forecast_kit import write_small_corpus

from vqcast.corpus.table import load
from vqcast.documents.forecast import ForecastRecipe, ForecastTable, JointRecipe
from vqcast.forecast import curves
from vqcast.forecast.fit import empty_table
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.joint import JointPrior

MEASURE = "vmaf/mean"


@cache
def measured(corpus: Path) -> tuple[list[curves.MeasuredCurve], ForecastTable]:
    found, pins = curves.read([load(corpus)])
    return found, empty_table(found, pins, ForecastRecipe())


@pytest.fixture(scope="module")
def real(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[curves.MeasuredCurve], ForecastTable]:
    return measured(write_small_corpus(tmp_path_factory.mktemp("joint") / "corpus.jsonl"))


def probe_of(curve: curves.MeasuredCurve, index: int) -> Probe:
    return Probe(
        float(curve.cq[index]), float(curve.score[MEASURE][index]),
        float(curve.bits_per_pixel[index]), curve.features[index],
    )  # fmt: skip


def errors(real: tuple, joint: JointRecipe | None, *, told: bool, own: bool) -> list[float]:  # type: ignore[type-arg]
    """Mean error of each curve of the last encoder, its group held out."""
    found, table = real
    table = msgspec.structs.replace(table, joint=joint or msgspec.UNSET)
    *_, encoder = sorted({curve.encoder for curve in found})
    others = {curve.src: curve for curve in found if curve.encoder != encoder}
    result = []
    for curve in found:
        if curve.encoder != encoder:
            continue
        other = others[curve.src]
        context = [((other.encoder, other.preset), probe_of(other, 5))] if told else []
        model = Forecaster.from_table(
            table, encoder, curve.preset, without={curve.group}, told=context
        )
        forecast = model.forecast([probe_of(curve, 4)] if own else [], curve.cq)
        result.append(float(np.abs(forecast.score - curve.score[MEASURE]).mean()))
    return result


def test_a_probe_of_another_encoder_halves_the_error_before_the_first_own_one(real: tuple) -> None:  # type: ignore[type-arg]
    alone = np.mean(errors(real, JointRecipe(), told=False, own=False))
    told = np.mean(errors(real, JointRecipe(), told=True, own=False))
    assert told < 0.55 * alone


def test_beside_an_own_probe_it_does_not_harm(real: tuple) -> None:  # type: ignore[type-arg]
    alone = np.mean(errors(real, None, told=False, own=True))
    told = np.mean(errors(real, JointRecipe(), told=True, own=True))
    assert told < 1.02 * alone


def test_a_table_of_single_kinds_hears_no_other_encoder(real: tuple) -> None:  # type: ignore[type-arg]
    told = errors(real, None, told=True, own=False)
    assert told == errors(real, None, told=False, own=False)


def test_without_probes_each_kind_has_its_own_mean_and_covariance(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    joined = msgspec.structs.replace(table, joint=JointRecipe())
    for encoder, preset in {(curve.encoder, curve.preset) for curve in found}:
        one, other = (
            Forecaster.from_table(each, encoder, preset).prior([]) for each in (table, joined)
        )
        assert np.allclose(one.mean, other.mean) and np.allclose(one.covariance, other.covariance)


def test_what_kinds_share_is_a_covariance(real: tuple) -> None:  # type: ignore[type-arg]
    """Of all kinds at once, wherever the titles' weights lie."""
    found, table = real
    curve = found[0]
    joined = msgspec.structs.replace(table, joint=JointRecipe(rank=40, most_shared=1.0))
    model = Forecaster.from_table(joined, curve.encoder, curve.preset, without={curve.group})
    prior = model.prior
    assert isinstance(prior, JointPrior)
    for weights in (
        np.full(len(prior.known.present), 1.0),
        np.arange(1.0, 1.0 + len(prior.known.present)),
    ):
        moments = prior.moments(weights / weights.sum())
        kinds = range(len(prior.known.kinds))
        whole = np.block([[moments.block(one, other) for other in kinds] for one in kinds])
        assert len(kinds) > 1 and np.allclose(whole, whole.T)
        values = np.linalg.eigvalsh(whole)
        assert values[0] > -1e-9 * values[-1]


def test_an_encoder_that_no_curve_is_of_tells_nothing(real: tuple) -> None:  # type: ignore[type-arg]
    found, table = real
    joined, curve = msgspec.structs.replace(table, joint=JointRecipe()), found[0]
    models = [
        Forecaster.from_table(joined, curve.encoder, curve.preset, told=told)
        for told in ([], [(("librav1e", "5"), probe_of(curve, 4))])
    ]
    one, other = (model.forecast([], curve.cq).latent for model in models)
    assert np.array_equal(one, other)
