"""What the repository ships keeps its law, and its pages say what its files say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vqcast
from vqcast.corpus.check import describe, oddities
from vqcast.corpus.table import Corpus, load
from vqcast.documents import jsontext
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import PROMOTE, judge
from vqcast.media.encoders import ENCODERS
from vqcast.registry import law
from vqcast.regressor import standing
from vqcast.regressor.spec import ENSEMBLE, SPECS
from vqcast.serve.folder import Folder
from vqcast.vocab import PRESETS

ROOT = Path(__file__).parents[2]
TINY = ROOT / "model" / "tiny"
DATA = ROOT / "data" / "networks"
PHASE_A = ROOT / "data" / "phase_a"
SOFTWARE = ("libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "libvvenc")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load(DATA / "per_frame_canonical6.jsonl.gz")


@pytest.fixture(scope="module")
def folder() -> Folder:
    return Folder(TINY)


@pytest.fixture(scope="module")
def provenance() -> dict:
    return jsontext.parse((DATA / "PROVENANCE.json").read_bytes(), where="PROVENANCE.json")


def test_the_shipped_registry_keeps_its_law() -> None:
    assert law.verify(TINY) == []


def test_every_family_ships_promoted(folder: Folder) -> None:
    rows = {row.id: row for row in folder.registry().models}
    wanted = {entry.member_id(seed) for entry in SPECS.values() for seed in entry.seeds}
    wanted.add(ENSEMBLE.mean_id)
    assert wanted <= set(rows)
    assert not any(rows[name].is_smoke for name in wanted)


def test_the_shipped_evidence_gives_the_shipped_verdict() -> None:
    found = evidence.read(TINY / "evidence" / ENSEMBLE.id)
    verdict = judge(found.reports, found.digests, ENSEMBLE, generated_at_utc="")
    assert verdict.verdict == PROMOTE
    assert len(verdict.seeds) == 5
    assert verdict.corpus.n_sources == 22


def test_the_shipped_corpus_is_the_one_the_models_stand_on(
    corpus: Corpus, folder: Folder, provenance: dict
) -> None:
    assert corpus.sha256 == provenance["corpus"]["sha256"]
    for row in folder.registry().models:
        spec = next(spec for spec in SPECS.values() if row.id in spec.row_ids)
        sidecar = standing.read_sidecar(row, spec, folder.files)
        assert standing.corpus_sha256(sidecar) == corpus.sha256


def test_phase_a_holds_six_encoders_on_every_clip() -> None:
    corpus = load(PHASE_A / "per_frame_canonical6.jsonl.gz")
    facts = describe(corpus)
    assert set(facts["encoders"]) == set(SOFTWARE) <= set(ENCODERS)
    assert all(len(each["cq"]) >= 6 for each in facts["encoders"].values())
    assert facts["n_sources"] == 22
    assert facts["n_groups"] == 20
    assert oddities(corpus) == []


def test_presets_vary_within_every_encoder_of_the_shipped_corpus(corpus: Corpus) -> None:
    facts = describe(corpus)
    assert set(facts["encoders"]) == set(SOFTWARE)
    assert all(len(each["presets"]) >= 3 for each in facts["encoders"].values())
    assert (facts["n_sources"], facts["n_groups"]) == (22, 20)


def test_presets_held_out_of_training_are_covered(corpus: Corpus) -> None:
    """On the presets drop at least 85 % at 90 %, by the factor that the other presets ask for."""
    found = evidence.read(TINY / "evidence" / ENSEMBLE.id)
    assert found.unseen is not None and found.intervals is not None
    drop = load(ROOT / "data" / "presets" / "per_frame_canonical6.jsonl.gz")
    parts = {part.name: part for part in found.unseen.presets}
    mine = {f"{encoder} {preset}" for encoder, preset, _ in drop.settings()[0]}
    assert len(mine) == 18 and mine <= set(parts)
    cells = sum(parts[name].n_cells for name in mine)
    clips = sum(parts[name].n_cells * parts[name].widened_pooled_coverage for name in mine)
    frames = [parts[name].widened_frame_coverage for name in mine]
    assert clips / cells >= 0.85 and min(frames) >= 0.85
    made = found.intervals.calibration
    assert made.factors_measured and made.unseen_preset_factor == found.unseen.preset_factor
    assert made.unseen_slot_factor == found.unseen.encoder_factor
    held = {part.name: part.widened_pooled_coverage for part in found.unseen.encoders}
    assert set(held) == set(SOFTWARE) and min(held.values()) >= 0.8


def test_no_prediction_outside_the_seen_presets_goes_without_a_warning(corpus: Corpus) -> None:
    predictor = vqcast.load(ENSEMBLE.id, TINY)
    seen = {(encoder, preset) for encoder, preset, _ in corpus.settings()[0]}
    features = corpus.features[:1]
    for encoder, presets in PRESETS.items():
        if encoder not in SOFTWARE:
            continue
        for preset in [None, *presets]:
            made = predictor.predict(features, encoder=encoder, preset=preset, cq=30)
            unsaid = not any("preset" in warning for warning in made.warnings)
            assert unsaid == ((encoder, preset) in seen)


def test_every_clip_is_credited(provenance: dict) -> None:
    assert all(source["licence"] and source["origin"] for source in provenance["sources"])


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("model_id", ["fr_regressor_v1", "fr_regressor_v2", "fr_regressor_v3"])
def test_single_models_predict_close_to_the_ensemble(model_id: str, corpus: Corpus) -> None:
    rows = [row for row in range(2000) if corpus.encoder[row] == "libx264"][:200]
    at = {"encoder": "libx264", "cq": float(corpus.cq[rows[0]]), "preset": corpus.preset[rows[0]]}
    same = [row for row in rows if corpus.cq[row] == at["cq"]]
    ensemble = vqcast.load(ENSEMBLE.id, TINY).predict(corpus.features[same], **at)
    alone = vqcast.load(model_id, TINY).predict(corpus.features[same], **at)
    assert abs(ensemble.mean - alone.mean).max() < 5.0
    assert abs(ensemble.mean - corpus.vmaf[same]).max() < 5.0
