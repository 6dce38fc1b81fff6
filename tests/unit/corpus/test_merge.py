"""Several corpora as one: each cell once, disagreement refused, everybody credited."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from registry_kit import rows, write_corpus

from vqcast import documents
from vqcast.corpus.merge import merge, merged_provenance
from vqcast.corpus.table import load
from vqcast.documents.provenance import CorpusProvenance
from vqcast.errors import InputError

ROOT = Path(__file__).parents[3]


def test_a_cell_that_two_corpora_hold_is_taken_from_the_first(tmp_path: Path) -> None:
    made = rows(sources=3, qualities=(20, 28))
    first = write_corpus(tmp_path / "a.jsonl", [row for row in made if row["cq"] == 20])
    second = write_corpus(tmp_path / "b.jsonl", made)
    merged = merge([first, second], tmp_path / "c.jsonl")
    assert (merged.taken, merged.known, merged.rows) == ((9, 9), (0, 9), len(made))
    found = list(map(json.loads, (tmp_path / "c.jsonl").read_text().splitlines()))
    assert found[: len(made) // 2] == list(map(json.loads, first.read_text().splitlines()))
    assert sorted(map(str, found)) == sorted(map(str, made))
    assert load(tmp_path / "c.jsonl").sha256 == merged.sha256


def test_a_cell_that_scored_otherwise_is_refused_and_nothing_written(tmp_path: Path) -> None:
    made = rows(sources=3)
    first = write_corpus(tmp_path / "a.jsonl", made)
    made[0]["vmaf"] -= 1.0
    second = write_corpus(tmp_path / "b.jsonl", made)
    with pytest.raises(InputError, match=r"clip_0, libx264, medium, 20\.0 has VMAF"):
        merge([first, second], tmp_path / "c.jsonl")
    assert not (tmp_path / "c.jsonl").exists()


def read(name: str) -> CorpusProvenance:
    data = (ROOT / "data" / name / "PROVENANCE.json").read_bytes()
    return documents.from_bytes(CorpusProvenance, data, where=name)


@pytest.mark.slow
def test_the_shipped_corpus_is_made_of_the_three_drops() -> None:
    folder = ROOT / "data" / "networks"
    corpus = load(folder / "per_frame_canonical6.jsonl.gz")
    origin = read("networks")
    again = merged_provenance(
        corpus,
        [read(name) for name in ("phase_a", "presets", "curves")],
        command=origin.command.splitlines()[-1],
    )
    assert documents.to_bytes(again) == (folder / "PROVENANCE.json").read_bytes()
    presets: dict[str, set[str | None]] = {}
    for encoder, preset, _ in corpus.settings()[0]:
        presets.setdefault(encoder, set()).add(preset)
    assert min(len(names) for names in presets.values()) >= 3


def test_parts_of_different_builds_are_not_mixed() -> None:
    origin = read("presets")
    corpus = load(ROOT / "data" / "presets" / "per_frame_canonical6.jsonl.gz")
    other = msgspec.structs.replace(origin, libvmaf="another")
    with pytest.raises(InputError, match="different builds of libvmaf"):
        merged_provenance(corpus, [origin, other], command="x")
