"""Cards, datasheets and reports speak of the data at hand, and of nobody else's.

A page of another corpus shares with the shipped one only the lines listed here. Each of them must
be true of any corpus: a new one is a claim to think about.
"""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from registry_kit import House, evidence_run, rows, write_corpus

from vqcast import documents
from vqcast.corpus.table import Corpus, load
from vqcast.documents.provenance import CorpusProvenance
from vqcast.errors import InputError
from vqcast.pages.cards import Beside, LiftAnswer, card_lines, card_pages
from vqcast.pages.datasheet import datasheet
from vqcast.pages.report import ReportContent, report
from vqcast.pages.subject import read_registry
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve.folder import Folder
from vqcast.workflow.steps import promote

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

HARDWARE = ("h264_nvenc", "hevc_nvenc", "av1_qsv")

ANY_DATASHEET = {
    "Written by `vqcast corpus datasheet` from the corpus and its provenance; not edited by hand.",
    "## Contents",
    "| encoder | preset | qualities | rows |",
    "|---|---|---|---|",
    "| feature | min | max |",
    "|---|---|---|",
    "## How it was made",
    "```",
    "| encoder | options at its first preset and quality |",
    "|---|---|",
    "## Sources and licences",
    "The corpus holds measurements; the clips are not part of it.",
    "| clip | group | size | frames | content | origin | licence |",
    "|---|---|---|---|---|---|---|",
    "## Limits",
    "- VMAF is a computed score, not a viewer's rating.",
}
ANY_CARD = {
    "# fr_regressor_v2_ensemble_v1",
    "Codec-aware per-frame VMAF regressor, five seeds.",
    "Written by `vqcast registry cards` from the sidecar, the verdict and the evidence; "
    "not edited by hand.",
    "## Verdict",
    "| gate | measured | threshold |",
    "|---|---|---|",
    "| **verdict** | **PROMOTE** | |",
    "## Held-out sources",
    "Each source was predicted by networks that were not trained on it. n counts frames; "
    "the figures are means over 5 seeds.",
    "| source | n | PLCC | SROCC | RMSE |",
    "|---|---|---|---|---|",
    "## Encoders",
    "The same held-out predictions, by encoder.",
    "| encoder | n | PLCC | SROCC | RMSE |",
    "## Vocabulary",
    "| slot | training rows |",
    "|---|---|",
    "A prediction in a slot without training rows says so.",
    "## Domain",
    "## Recipe and files",
    "- 2 hidden layers of 64, GELU, dropout 0.1; 6 features + 14 codec columns.",
    "| file | sha256 |",
}


ANY_REPORT = {
    ". VMAF 0..100, higher is better. PLCC: Pearson's correlation; SROCC: Spearman's; RMSE in VMAF "
    "points. A cell is one encode of one source.",
    ": needs at most 0.005, largest minus smallest",
    "= 5 seeds.",
    "A prediction in a slot without training rows is a guess, and",
    "Correlation by encoder",
    "Correlation by source",
    "Error by encoder",
    "Error by source",
    "Every figure is read from these files, or computed from them when the page was made. A "
    "verdict holds the digests of its evidence;",
    f"Held-out results of {ENSEMBLE.id}",
    "How the networks were trained",
    "How well each model predicts video that was held out of its training, whether that passes the "
    "gate, and the files that hold the figures.",
    "In the same order. Root mean square of predicted minus measured.",
    "Lowest PLCC first. Red area: below the gate's 0.95.",
    "Mean PLCC, sources held out",
    "Rows behind each slot",
    "Spread of PLCC over seeds",
    "The same figures as a table",
    "The same held-out predictions, all sources together.",
    "VMAF v0.6.1 is itself a function of the six features that these networks read. A PLCC near 1 "
    "shows that they learned that function, not that they know more than libvmaf.",
    f"for {ENSEMBLE.id}; it fits and installs all of them together.",
    "processor time, s",
    "refuses evidence that differs.",
}


def origin_of(corpus: Corpus, **changes: Any) -> CorpusProvenance:
    """A provenance of 10-bit 4K clips with hardware encoders, one without a licence."""
    clip = {"sha256": "0" * 64, "width": 3840, "height": 2160, "bits": 10, "frames": 900}
    made = {
        "schema_version": 1,
        "corpus": {"path": corpus.path.name, "sha256": corpus.sha256, "n_rows": len(corpus)},
        "command": "vqcast corpus build a.mkv",
        "ffmpeg": {"version": "8.1", "sha256": "1" * 64},
        "libvmaf": "3.0.0",
        "models": ["vmaf_4k_v0.6.1"],
        "grid": {
            name: {"preset": "p4", "cq": [20.0, 44.0], "options": f"-c:v {name}|x"}
            for name in corpus.counts("encoder")
        },
        "sources": [
            {"src": name, "file": f"{name}.mkv", "group": None} | clip for name in corpus.sources
        ],
    } | changes
    return documents.from_bytes(CorpusProvenance, json.dumps(made).encode(), where="made")


def lines(page: str) -> set[str]:
    return {line for line in page.splitlines() if line}


def shipped(name: str) -> CorpusProvenance:
    path = ROOT / "data" / name / "PROVENANCE.json"
    return documents.from_bytes(CorpusProvenance, path.read_bytes(), where=name)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Another corpus, of hardware encoders, and the registry made from it."""
    folder = tmp_path_factory.mktemp("other")
    path = write_corpus(folder / "c.jsonl", rows(encoders=HARDWARE))
    house = House(path, folder / "run", folder / "registry")
    assert evidence_run(path, house.run_dir) == "PROMOTE"
    promote(house.run_dir, [house.corpus_path], house.registry)
    return house


def test_the_datasheet_of_another_corpus_shares_no_claim_with_the_shipped_one(
    other: House,
) -> None:
    page = datasheet(other.corpus, origin_of(other.corpus))
    for drop in ("phase_a", "presets", "curves"):
        sheet = (ROOT / "data" / drop / "DATASHEET.md").read_text()
        assert lines(page) & lines(sheet) <= ANY_DATASHEET
    assert "- Measured: 3 clips of 900 frames, 3840x2160, 10 bit." in page
    assert "vmaf_4k_v0.6.1" in page and "vmaf_v0.6.1" not in page
    assert page.count("| not recorded |") == 3
    assert "without rows here: libx264, libx265" in page and "`-c:v h264_nvenc\\|x`" in page


def test_the_card_of_another_corpus_shares_no_claim_with_the_shipped_one(other: House) -> None:
    files = Folder(other.registry).files
    page = card_pages(files, Beside([origin_of(other.corpus)]))[ENSEMBLE.id]
    card = (ROOT / "docs" / "models" / f"{ENSEMBLE.id}.md").read_text()
    general = {
        line for line in lines(page) if line.startswith("It is a reference for the contract")
    }
    slots = {f"| {slot} | 0 |" for slot in ENSEMBLE.vocabulary}
    slots |= {"| encoder | presets in training | preset_norm | qualities |", "|---|---|---|---|"}
    outside = {line for line in lines(card) if line.startswith("Nothing outside these sizes")}
    shared = lines(page) & lines(card)
    assert shared <= ANY_CARD | general | slots | outside
    assert "- 3 clips of 900 frames, 3840x2160, 10 bit." in page
    assert "h264_nvenc, preset p4: quality 20 to 44." in page
    assert "| h264_nvenc | 120 |" in page
    assert "published" not in page  # another recipe: 150 epochs
    assert "## Intervals" not in page and "content groups held out" not in page


def test_the_report_of_another_corpus_shares_no_claim_with_the_shipped_one(other: House) -> None:
    def texts(registry: Path) -> set[str]:
        page = report(ReportContent("t", read_registry(registry)))
        page = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.S)
        found = (" ".join(unescape(each).split()) for each in re.split(r"<[^>]*>", page))
        return {each for each in found if each.count(" ") > 1}

    mine = texts(other.registry)
    assert mine & texts(ROOT / "model" / "tiny") <= ANY_REPORT
    assert "= 360 frames of 3 sources, mean of 5 seeds." in mine


def test_a_card_without_provenance_says_what_the_model_itself_knows(other: House) -> None:
    page = card_pages(Folder(other.registry).files)[ENSEMBLE.id]
    assert "- Quality numbers seen, over all encoders: 20 to 44." in page
    assert "clips" not in page.lower()


def test_presets_that_vary_are_all_named(other: House) -> None:
    files = Folder(ROOT / "model" / "tiny").files
    presets = documents.to_dict(shipped("presets"))
    presets["corpus"] = documents.to_dict(shipped("networks"))["corpus"]
    beside = Beside(
        [documents.from_bytes(CorpusProvenance, json.dumps(presets).encode(), where="presets")]
    )
    page = card_pages(files, beside)[ENSEMBLE.id]
    assert "- libx264, preset ultrafast, medium, slower: quality 15 to 42." in page


@pytest.mark.parametrize("what", ["provenance", "study"])
def test_what_is_of_another_corpus_is_refused(other: House, what: str) -> None:
    beside = (
        Beside([shipped("phase_a")])
        if what == "provenance"
        else Beside(lift=LiftAnswer(corpora={"0" * 64: "c.jsonl"}, answer="It adds nothing."))
    )
    with pytest.raises(InputError, match="no model here was made from") as caught:
        card_pages(Folder(other.registry).files, beside)
    assert caught.value.hint
    with pytest.raises(InputError, match="another corpus"):
        datasheet(other.corpus, shipped("phase_a"))


def test_a_study_of_the_same_corpus_is_quoted(other: House) -> None:
    said = LiftAnswer(corpora={other.corpus.sha256: "c.jsonl"}, answer="It adds nothing.")
    page = card_pages(Folder(other.registry).files, Beside(lift=said))[ENSEMBLE.id]
    assert "Measured on this corpus: It adds nothing." in page


def test_a_model_in_one_line_has_its_own_figures(other: House) -> None:
    (line,) = card_lines(Folder(other.registry).files).values()
    assert line.startswith(f"`{ENSEMBLE.id}`: **PROMOTE**. Mean PLCC 0.99")
    assert "on 3 held-out sources" in line and "interval" not in line


def test_the_datasheet_of_one_source(tmp_path: Path) -> None:
    corpus = load(write_corpus(tmp_path / "one.jsonl", rows(sources=1)))
    page = datasheet(corpus, None)
    assert "12 encodes of 1 clip in 1 content group." in page
    assert "One content group: nothing can be held out" in page
    assert "standard error" not in page


def test_a_datasheet_without_provenance_says_so(other: House) -> None:
    page = datasheet(other.corpus, None)
    assert "from the corpus; not edited" in page and "No provenance was given" in page
    assert "ffmpeg" not in page and "licence |" not in page and "Scored at" not in page
    assert "| clip_0 | clip_0 | 120 |" in page
    assert "One preset each" not in page  # none is recorded


@pytest.mark.parametrize(
    ("size", "said"),
    [((3840, 2160), "Scored at each clip's own size."), ((1920, 1080), "Scored at 1920x1080.")],
)
def test_a_datasheet_says_at_which_size_it_was_scored(
    tmp_path: Path, size: tuple[int, int], said: str
) -> None:
    sized = [row | dict(zip(("score_width", "score_height"), size, strict=True)) for row in rows()]
    corpus = load(write_corpus(tmp_path / "c.jsonl", sized))
    assert said in datasheet(corpus, origin_of(corpus))


def test_names_in_a_datasheet_stay_text(tmp_path: Path) -> None:
    hostile = "a|b <script>alert(1)</script> [x](http://e.org)"
    made = rows(sources=2)
    for row in made:
        row["src"] = row["src"].replace("clip_0", hostile)
    corpus = load(write_corpus(tmp_path / "c.jsonl", made))
    for page in (datasheet(corpus, None), datasheet(corpus, origin_of(corpus))):
        assert "<script>" not in page and not re.search(r"(?<!\\)\]\(", page)
        (line,) = [each for each in page.splitlines() if "alert" in each]
        assert line.startswith(r"| a\|b &lt;script>")
