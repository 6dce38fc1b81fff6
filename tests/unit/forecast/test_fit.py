"""Curves from corpora, the rivals, and that no group ever sees itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecast_kit import small_rows
from scipy.interpolate import PchipInterpolator

from vqcast.corpus.table import load
from vqcast.documents.forecast import ForecastRecipe
from vqcast.errors import CorpusError
from vqcast.forecast import curves
from vqcast.forecast import fit as learn
from vqcast.forecast.latent import to_latent
from vqcast.forecast.rivals import FLOOR_TOP, floor_latent, gaussian_floor, straight_lines

MEASURE = "vmaf/mean"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def curve(
    src: str, cq: list[float], score: list[float], preset: str = "medium", group: str | None = None
) -> curves.MeasuredCurve:
    return curves.MeasuredCurve(
        src=src,
        group=group or src,
        encoder="libx264",
        preset=preset,
        cq=np.array(cq),
        score={MEASURE: np.array(score)},
        bits_per_pixel=2.0 ** -(np.array(cq) / 6),
        features=np.tile([0.9, 0.5, 0.8, 0.9, 0.95, 3.0], (len(cq), 1)),
    )


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(small_rows())


@pytest.mark.slow
def test_the_order_of_corpora_and_cells_twice_change_nothing(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    half = len(rows) // 2
    first, second = write(tmp_path / "a", rows[: half + 500]), write(tmp_path / "b", rows[half:])
    whole, _ = curves.read([load(write(tmp_path / "c", rows))])
    once, pins = curves.read([load(first), load(second)])
    again, same_pins = curves.read([load(second), load(first)])
    assert pins == same_pins
    assert len(once) == len(again) == len(whole) == 44
    for one, two in zip(once, again, strict=True):
        assert one.src == two.src
        np.testing.assert_array_equal(one.score[MEASURE], two.score[MEASURE])
    assert [each.src for each in once] == [each.src for each in whole]


def test_a_curve_is_its_cells_pooled(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    found, _ = curves.read([load(write(tmp_path / "a", rows))])
    one = found[0]
    cell = [
        row
        for row in rows
        if (row["src"], row["encoder"], row["cq"]) == (one.src, one.encoder, one.cq[2])
    ]
    scores = np.array([row["vmaf"] for row in cell])
    assert one.score[MEASURE][2] == pytest.approx(scores.mean())
    assert one.score["vmaf/p1"][2] == pytest.approx(np.percentile(scores, 1))
    pixels = len(cell) * cell[0]["score_width"] * cell[0]["score_height"]
    assert one.bits_per_pixel[2] == pytest.approx(8 * cell[0]["enc_bytes"] / pixels)


def test_other_models_of_vmaf_have_curves_of_their_own(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    more = [row | {"vmaf_neg": 0.9 * row["vmaf"], "xpsnr": 40.0} for row in rows]
    found, _ = curves.read([load(write(tmp_path / "a", more))])
    for one in found:
        assert one.score["vmaf-neg/mean"] == pytest.approx(0.9 * one.score[MEASURE])
        assert not any(name.startswith("xpsnr") for name in one.score)


def test_curves_of_pictures_that_were_scaled_make_no_forecaster(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    scaled = [row | {"source_width": 320, "source_height": 180} for row in rows[-40:]]
    with pytest.raises(CorpusError, match="another size than their source's"):
        curves.read([load(write(tmp_path / "a", [*rows[:-40], *scaled]))])


def test_corpora_that_make_no_forecaster_are_refused(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    sizeless = [{k: v for k, v in row.items() if k != "enc_bytes"} for row in rows[:500]]
    with pytest.raises(CorpusError, match="enc_bytes"):
        curves.read([load(write(tmp_path / "a", sizeless))])
    with pytest.raises(CorpusError, match="qualities"):
        curves.read([load(write(tmp_path / "b", [row for row in rows if row["cq"] < 20]))])
    with pytest.raises(CorpusError, match="synthetic"):
        curves.read(
            [load(write(tmp_path / "c", [row | {"synthetic": True} for row in rows[:500]]))]
        )
    groups = sorted({row["group"] for row in rows})[:9]
    found, pins = curves.read(
        [load(write(tmp_path / "d", [r for r in rows if r["group"] in groups]))]
    )
    with pytest.raises(CorpusError, match="9 content groups"):
        learn.empty_table(found, pins, ForecastRecipe())


def test_a_sparse_curve_takes_its_shape_from_a_dense_one() -> None:
    cq = [15.0, 18, 21, 24, 27, 30, 33, 36, 39, 42]
    bent = [99.0, 98.5, 98, 97, 95, 91, 84, 73, 58, 38]
    sparse = [curve("a", [15, 24, 33, 42], [98.0, 95.5, 81.0, 33.0], "ultrafast")]
    dense = [curve("a", cq, bent)]
    axes = curves.axes_of(dense + sparse)
    assert axes == {"libx264": (15.0, 42.0)}
    own, other = curves.curves_on_nodes(dense + sparse, axes, 10)
    away = to_latent(np.array([98.0, 95.5, 81.0, 33.0])) - to_latent(np.array(bent)[[0, 3, 6, 9]])
    expected = np.array(own.score[MEASURE]) + PchipInterpolator([15, 24, 33, 42], away)(cq)
    np.testing.assert_allclose(other.score[MEASURE], expected, atol=2e-5)
    (alone,) = curves.curves_on_nodes(sparse, axes, 10)
    assert alone.score[MEASURE] != other.score[MEASURE]


def test_the_floor_is_the_gaussian_conditional() -> None:
    generator = np.random.default_rng(0)
    cq = [15.0, 20, 25, 30, 35, 40]
    others = [
        curve(f"s{n}", cq, list(np.sort(generator.uniform(30, 99, 6))[::-1])) for n in range(20)
    ]
    held = curve("held", cq, [97.0, 94, 88, 80, 66, 45])
    library = np.array([floor_latent(each.score[MEASURE]) for each in others])
    joint = np.cov(library, rowvar=False)
    joint[np.diag_indices(6)] += np.array([0, 0, 1e-4, 0, 0, 0])
    precision = np.linalg.inv(joint)
    rest = [0, 1, 3, 4, 5]
    away = floor_latent(np.array([88.0])) - library.mean(axis=0)[2]
    # Conditional mean by the precision matrix (Rasmussen and Williams 2006, A.3).
    latent = library.mean(axis=0)[rest] - np.linalg.solve(
        precision[np.ix_(rest, rest)], precision[np.ix_(rest, [2])] @ away
    )
    expected = FLOOR_TOP * -np.expm1(-latent)
    found = gaussian_floor(held, others, MEASURE, [2], rest, 1e-4)
    np.testing.assert_allclose(found, np.clip(expected, 0, 100), atol=1e-6)


def test_straight_lines_go_through_the_probes_and_on() -> None:
    held = curve("held", [10.0, 20, 30, 40, 50], [100.0, 90, 70, 40, 0])
    lines = straight_lines(held, MEASURE, [1, 3], [0, 2, 4])
    np.testing.assert_allclose(lines, [100.0, 65.0, 15.0])


def test_the_width_of_a_level_gives_every_group_the_same_weight() -> None:
    values = [("a", np.full(1000, 1.0)), ("b", np.array([2.0])), ("c", np.array([3.0]))]
    widths = [learn.conformal_width(values, level) for level in (0.3, 0.5, 0.9)]
    assert widths == [1.0, 2.0, 3.0]


def test_widths_cover_new_groups_as_often_as_they_say() -> None:
    generator = np.random.default_rng(7)

    def draw() -> np.ndarray:
        return np.abs(generator.normal(generator.normal(0, 0.5), 1.0, 15))

    for level in learn.LEVELS:
        covered = [
            (draw() <= learn.conformal_width([(f"{n}", draw()) for n in range(20)], level)).mean()
            for _ in range(400)
        ]
        assert np.mean(covered) == pytest.approx(level, abs=0.025)


def test_a_held_out_group_never_sees_itself(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """What is said of a group must not move when that group's other curves are replaced."""
    found, pins = curves.read([load(write(tmp_path / "a", rows))])
    held = found[0]
    part = [each for each in found if each.encoder == held.encoder]
    changed = [
        curve_like(each) if each.group == held.group and each is not held else each for each in part
    ]
    changed.append(curve_like(held, src="twin"))
    table = learn.empty_table(part, pins, ForecastRecipe())
    other = learn.empty_table(changed, pins, ForecastRecipe())
    before = [r for r in learn.residuals(table, part, MEASURE) if r.group == held.group]
    after = [r for r in learn.residuals(other, part, MEASURE) if r.group == held.group]
    assert before and len(before) == len(after)
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.model, two.model)
        np.testing.assert_array_equal(one.deviations, two.deviations)
        if one.rivals and two.rivals:
            for a, b in zip(one.rivals.floors, two.rivals.floors, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_table_is_of_one_set_of_options_an_encoder() -> None:
    plain, own = curve("a", [20, 30, 40, 50], [95, 85, 70, 50]), "--x264 aq-mode=3"
    assert curves.options_of([plain]) == {}
    assert curves.options_of([replace(plain, options=own)]) == {"libx264": own}
    told = r"libx264 comes with several options \(--x264 aq-mode=3, none\)"
    with pytest.raises(CorpusError, match=told):
        curves.options_of([plain, replace(plain, src="b", options=own)])


def curve_like(each: curves.MeasuredCurve, src: str | None = None) -> curves.MeasuredCurve:
    """The same place in the corpus with other scores."""
    return curves.MeasuredCurve(
        src=src or each.src,
        group=each.group,
        encoder=each.encoder,
        preset=each.preset,
        cq=each.cq,
        score={name: values * 0.5 for name, values in each.score.items()},
        bits_per_pixel=each.bits_per_pixel * 3,
        features=each.features * 0.7,
    )
