"""Which comparisons make up the lift, and the report on them.

The answer is one comparison: the 12-slot network against itself without its
codec block, whole content groups held out. The others ask where the answer
could differ: another vocabulary, an encoder never seen, another teacher,
presets that vary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from studies.lift import judge
from studies.lift.jobs import (
    BY_ENCODER,
    BY_GROUP,
    BY_SOURCE,
    Arm,
    Job,
    content_job,
    encoder_job,
    extra_column,
)
from studies.lift.judge import HeldOutRows, LiftReport, LiftStudy, PresetUse
from studies.lift.lab import FASTEST, PERMUTED, REAL, SLOWEST, Lab, Predicted
from vqcast.corpus.table import Corpus
from vqcast.errors import CorpusError
from vqcast.regressor.dataset import multi_source_groups, trainable
from vqcast.regressor.spec import V1, V2, V3, Recipe

SCHEMA_VERSION = 1
TEACHER_V1 = "vmaf_v1"

AWARE = Arm("codec-aware, 12 slots", V2)
BLIND = Arm("codec-blind", V2, blind=True)
BASELINE = Arm("fr_regressor_v1", V1)
AWARE_V3 = Arm("codec-aware, 16 slots", V3)
BLIND_V3 = Arm("codec-blind", V3, blind=True)
NO_PRESET = Arm("preset_norm fixed at 0.5", V2, no_preset=True)

HELD_OUT = {
    BY_SOURCE: "a source",
    BY_GROUP: "a content group",
    BY_ENCODER: "an encoder and a content group together",
}


def measure(
    corpus: Corpus,
    presets: Corpus | None,
    lab: Lab,
    *,
    seeds: Sequence[int],
    side_seeds: Sequence[int],
    recipe: Recipe,
    command: str,
) -> LiftReport:
    """Train what is missing and report every comparison that the corpora allow.

    ``presets`` is a second corpus whose encoders run at several presets each.
    """
    corpora = {corpus.sha256: _name(corpus)}
    studies = _codec(corpus, lab, seeds, recipe)
    left_out: dict[str, str] = {}
    use: PresetUse | None = None
    sides: list[tuple[str, Callable[[], list[LiftStudy]]]] = [
        ("v3", lambda: _v3(corpus, lab, side_seeds, recipe)),
        ("encoders_held_out", lambda: _encoders(corpus, lab, side_seeds, recipe)),
        ("teacher_vmaf_v1", lambda: _teacher(corpus, lab, side_seeds, recipe)),
    ]
    for name, make in sides:
        try:
            studies += make()
        except CorpusError as error:
            left_out[name] = error.reason
    if presets is None:
        left_out["presets"] = "no corpus with several presets an encoder was given"
    else:
        corpora[presets.sha256] = _name(presets)
        made, use = _presets(presets, lab, seeds, recipe)
        studies += made
    return _report(studies, corpora, use, left_out, command)


def _name(corpus: Corpus) -> str:
    """The file's name within its folder: two drops may have files of one name."""
    return (Path(corpus.path.parent.name) / corpus.path.name).as_posix()


def _report(
    studies: list[LiftStudy],
    corpora: dict[str, str],
    use: PresetUse | None,
    left_out: dict[str, str],
    command: str,
) -> LiftReport:
    by_id = {study.id: study for study in studies}
    main = by_id["codec_by_group"]
    answer = judge.in_words(main.lift_plcc, "knowing the codec")
    replaces = None
    if "v3_against_v2" in by_id:
        swap = by_id["v3_against_v2"]
        replaces = swap.verdict == judge.LIFT
        words = "may replace" if replaces else "does not replace"
        answer += (
            f" {judge.in_words(swap.lift_plcc, 'the 16-slot vocabulary over the 12-slot one')}"
        )
        answer += f" fr_regressor_v3 {words} version 2."
    return LiftReport(
        schema_version=SCHEMA_VERSION,
        command=command,
        floor=judge.LIFT_FLOOR,
        confidence=judge.CONFIDENCE,
        resamples=judge.RESAMPLES,
        bootstrap_seed=judge.BOOTSTRAP_SEED,
        corpora=corpora,
        verdict=main.verdict,
        answer=answer,
        v3_replaces_v2=replaces,
        studies=studies,
        preset_use=use,
        left_out=left_out,
    )


def _codec(corpus: Corpus, lab: Lab, seeds: Sequence[int], recipe: Recipe) -> list[LiftStudy]:
    data = trainable(corpus, V2)
    schemes = [BY_GROUP, *([BY_SOURCE] if multi_source_groups(corpus) else [])]
    job = content_job(data, recipe, schemes)
    aware, blind = lab.predict(job, AWARE, seeds), lab.predict(job, BLIND, seeds)
    title = "the codec block, 12 slots"
    studies = [
        _study(f"codec_by_{_word(scheme)}", title, job, scheme, (AWARE, aware), (BLIND, blind))
        for scheme in schemes
    ]
    common = [seed for seed in seeds if seed in V1.seeds]
    if common:
        job = content_job(data, recipe, [BY_GROUP])
        first = (AWARE, lab.predict(job, AWARE, common))
        second = (BASELINE, lab.predict(job, BASELINE, common))
        title = "against fr_regressor_v1: 6 inputs, other initial weights"
        studies.append(_study("codec_against_v1", title, job, BY_GROUP, first, second))
    return studies


def _v3(corpus: Corpus, lab: Lab, seeds: Sequence[int], recipe: Recipe) -> list[LiftStudy]:
    job = content_job(trainable(corpus, V3), recipe, [BY_GROUP])
    aware = (AWARE_V3, lab.predict(job, AWARE_V3, seeds))
    blind = (BLIND_V3, lab.predict(job, BLIND_V3, seeds))
    twelve = (AWARE, lab.predict(job, AWARE, seeds))
    return [
        _study("codec_v3", "the codec block, 16 slots", job, BY_GROUP, aware, blind),
        _study(
            "v3_against_v2", "16 slots against 12 on the same rows", job, BY_GROUP, aware, twelve
        ),
    ]


def _encoders(corpus: Corpus, lab: Lab, seeds: Sequence[int], recipe: Recipe) -> list[LiftStudy]:
    job = encoder_job(trainable(corpus, V2), recipe)
    aware, blind = lab.predict(job, AWARE, seeds), lab.predict(job, BLIND, seeds)
    title = "the codec block, encoder never seen in training"
    return [_study("encoders_held_out", title, job, BY_ENCODER, (AWARE, aware), (BLIND, blind))]


def _teacher(corpus: Corpus, lab: Lab, seeds: Sequence[int], recipe: Recipe) -> list[LiftStudy]:
    target = extra_column(corpus, TEACHER_V1)
    job = content_job(trainable(corpus, V2), recipe, [BY_GROUP], teacher=TEACHER_V1, target=target)
    aware, blind = lab.predict(job, AWARE, seeds), lab.predict(job, BLIND, seeds)
    title = "the codec block, VMAF v1 taught from the features of v0.6.1"
    return [_study("teacher_vmaf_v1", title, job, BY_GROUP, (AWARE, aware), (BLIND, blind))]


def _presets(
    corpus: Corpus, lab: Lab, seeds: Sequence[int], recipe: Recipe
) -> tuple[list[LiftStudy], PresetUse]:
    job = content_job(trainable(corpus, V2), recipe, [BY_GROUP])
    aware = lab.predict(job, AWARE, seeds, (REAL, PERMUTED, FASTEST, SLOWEST))
    blind, fixed = lab.predict(job, BLIND, seeds), lab.predict(job, NO_PRESET, seeds)
    shuffled = Arm("the same networks, preset_norm permuted at prediction", V2)
    real = (AWARE, aware)
    studies = [
        _study(
            "presets_mixed", "the codec block, presets mixed", job, BY_GROUP, real, (BLIND, blind)
        ),
        _study(
            "preset_norm", "preset_norm alone, in training", job, BY_GROUP, real, (NO_PRESET, fixed)
        ),
        _study(
            "preset_norm_permuted",
            "preset_norm alone, at prediction",
            job,
            BY_GROUP,
            real,
            (shuffled, aware),
            variant=PERMUTED,
        ),
    ]
    ways = aware.by_scheme[BY_GROUP]
    return studies, judge.preset_use(ways[PERMUTED], ways[FASTEST], ways[SLOWEST], ways[REAL])


def _word(scheme: str) -> str:
    return {BY_SOURCE: "source", BY_GROUP: "group"}[scheme]


def _study(
    name: str,
    title: str,
    job: Job,
    scheme: str,
    first: tuple[Arm, Predicted],
    second: tuple[Arm, Predicted],
    *,
    variant: str = REAL,
) -> LiftStudy:
    """Compare two arms' held-out predictions; ``variant`` is of the second."""
    corpus = job.corpus
    group_of = corpus.group_of()
    groups = [group_of[src] for src in corpus.src]
    folds = {
        BY_SOURCE: corpus.src,
        BY_GROUP: groups,
        BY_ENCODER: [" ".join(pair) for pair in zip(groups, corpus.encoder, strict=True)],
    }[scheme]
    rows = HeldOutRows(job.target.astype(np.float64), folds, groups, corpus.encoder)
    ones = first[1].by_scheme[scheme][REAL]
    others = second[1].by_scheme[scheme][variant]
    found = judge.compare(rows, ones, others)

    def figures(place: int, arm: tuple[Arm, Predicted]) -> judge.ArmFigures:
        return judge.ArmFigures(
            name=arm[0].name,
            plcc=found.plcc[place],
            rmse=found.rmse[place],
            offset=found.offset[place],
            reused_seeds=arm[1].reused,
        )

    return LiftStudy(
        id=name,
        title=title,
        corpus_sha256=corpus.sha256,
        teacher=job.teacher,
        held_out=HELD_OUT[scheme],
        seeds=sorted(ones),
        epochs=job.recipe.epochs,
        n_rows=len(corpus),
        n_folds=found.n_folds,
        n_groups=found.n_groups,
        rows_excluded=job.data.excluded,
        first=figures(0, first),
        second=figures(1, second),
        lift_plcc=found.lift_plcc,
        lift_rmse=found.lift_rmse,
        lift_plcc_by_seed=[plcc for plcc, _ in found.by_seed],
        lift_rmse_by_seed=[rmse for _, rmse in found.by_seed],
        encoders=found.encoders,
        undefined=found.undefined,
        verdict=judge.verdict_of(found.lift_plcc),
    )
