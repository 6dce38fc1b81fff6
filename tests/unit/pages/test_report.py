"""The page: whole, self-contained, honest about a HOLD, and deaf to hostile names."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vqcast.corpus.table import Corpus
from vqcast.errors import DocumentError
from vqcast.pages import accuracy_charts, curves
from vqcast.pages.across import read_across
from vqcast.pages.curves import Curves, curves_of
from vqcast.pages.heldout import HeldOutFigures
from vqcast.pages.points import Point
from vqcast.pages.report import ReportContent, report
from vqcast.pages.subject import CitedFile, read_registry, read_run
from vqcast.pages.tunings import read_tunings
from vqcast.workflow.steps import gate

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Tree(HTMLParser):
    """Open tags against close tags, ids, links and what could be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._see(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, attrs)

    def _see(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} has a handler"
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "action", "data"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def check(text: str) -> Tree:
    tree = Tree(text)
    assert len(tree.ids) == len(set(tree.ids))
    inside = [link[1:] for link in tree.links if link.startswith("#")]
    assert inside and set(inside) <= set(tree.ids)
    assert tree.tags["script"] == 0
    assert not re.search(r"@import|url\((?!#)", text)
    assert tree.tags["svg"] == tree.tags["desc"] == tree.tags["title"] - 1
    return tree


@pytest.fixture(scope="module")
def whole(
    registry: Path, corpus: Corpus, joined: HeldOutFigures, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Everything at once: each model, the corpus, and a tuning."""
    subjects = read_registry(registry)
    held = {subjects[0].model.id: joined}
    tunings = read_tunings(Path(__file__).parent / "tune_sample.jsonl")
    across = read_across(Path(__file__).parent / "across_sample.jsonl")
    return report(ReportContent("all of it", subjects, held, curves_of(corpus), tunings, across))


def test_a_page_shows_a_comparison_and_a_ladder(whole: str) -> None:
    assert "Ladders and comparisons" in whole
    for words in ("encoders at 90", "ladder of libsvtav1", "6 rungs from 8 encodes", "960x540"):
        assert words in whole


def test_lines_without_a_ladder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"event": "start"}\n')
    with pytest.raises(DocumentError, match="no comparison and no ladder"):
        read_across(path)
    path.write_text('{"event": "ladder"}\n')
    with pytest.raises(DocumentError, match="line 1"):
        read_across(path)


def test_the_whole_page_is_sound_and_needs_nothing_else(whole: str) -> None:
    tree = check(whole)
    outside = {link for link in tree.links if not link.startswith("#")}
    assert outside == {"data:,"}
    assert str(Path.cwd()) not in whole and "/tests/" not in whole


def test_every_figure_says_its_n_and_its_evidence(whole: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", whole, flags=re.S)
    tiles = re.findall(r'<div class="tile">.*?</p>\s*</div>', whole, flags=re.S)
    assert len(figures) >= 20 and len(tiles) == 7
    for block in (*figures, *tiles):
        origin = re.search(
            r'<p class="origin"><b>n</b> = ([^<]*)\. <b>Evidence:</b> (.*?)</p>', block
        )
        assert origin and re.search(r"\d", origin[1])
        assert re.search(r'href="#file-[0-9a-f]{8}-[^"]+"><code>[0-9a-f]{8}</code>', origin[2])


def test_charts_have_a_table_beside_them(whole: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", whole, flags=re.S)
    bare = [re.search(r"<h4>(.*?)</h4>", each)[1] for each in figures if "<table>" not in each]
    assert bare == ["Quality over size"]  # its points are in the tables of the two before it


def test_the_pages_figures_are_the_evidences(whole: str, registry: Path) -> None:
    words = " ".join(Tree(whole).text)
    for subject in read_registry(registry):
        assert f"{subject.verdict.gate.mean_plcc:.5f}" in words
        for line in subject.sources:
            assert f"{line.plcc:.5f}" in words and f"{line.rmse:.3f}" in words
        for piece in subject.pieces.values():
            assert piece.sha256 in words
    assert "never trained" in words and "4 of 4 models stand on a PROMOTE verdict" in words
    assert "at most 4 from each cell" in words


def test_the_same_evidence_is_the_same_page(run_dir: Path) -> None:
    first, second = (report(ReportContent("t", [read_run(run_dir)])) for _ in range(2))
    assert first == second


def test_without_a_corpus_the_page_shows_what_the_evidence_holds(run_dir: Path) -> None:
    text = report(ReportContent("t", [read_run(run_dir)]))
    check(text)
    assert "Predicted against measured" not in text and "Reliability" not in text
    assert "90 % intervals, by encoder" in text


def test_a_hold_says_so_and_names_what_fails(run_dir: Path) -> None:
    path = run_dir / "loso_seed2.json"
    loso = json.loads(path.read_bytes())
    for fold in loso["folds"]:
        fold["plcc"] -= 0.06
    loso["mean_plcc"] -= 0.06
    path.write_text(json.dumps(loso))
    assert not gate(run_dir).promotes
    text = report(ReportContent("t", [read_run(run_dir)]))
    check(text)
    assert '<span class="pill fail">HOLD</span>' in text
    tiles = re.findall(r'<div class="tile"><h4>(.*?)</h4>.*?<b class="(\w+)">', text, flags=re.S)
    assert [kind for _, kind in tiles] == ["fail", "fail", "pass", "pass"]
    assert "investigate diversity" in text


def test_an_undefined_metric_is_a_dash_and_fails(run_dir: Path) -> None:
    path = run_dir / "loso_seed2.json"
    loso = json.loads(path.read_bytes())
    loso["folds"][0]["plcc"] = loso["mean_plcc"] = None
    loso["nan_folds"] = [loso["folds"][0]["held_out"]]
    path.write_text(json.dumps(loso))
    assert not gate(run_dir).promotes
    text = report(ReportContent("t", [read_run(run_dir)]))
    check(text)
    assert '<div class="big">-</div>' in text and "undefined" in text


@pytest.mark.parametrize("name", ['</style><script>alert("x")</script>', "a\"b'c&amp;d $x^2$"])
def test_names_are_text_and_nothing_else(run_dir: Path, name: str) -> None:
    for path in run_dir.glob("loso_seed*.json"):
        loso = json.loads(path.read_bytes())
        loso["folds"][0]["held_out"] = loso["encoders"][0]["name"] = name
        path.write_text(json.dumps(loso))
    gate(run_dir)
    cells = [
        Point(name, name, name, 20.0, 9, 90.0, 3.0),
        Point(name, name, name, 30.0, 9, 80.0, 2.0),
    ]
    piece = CitedFile(name, "0" * 64, 1, Path("x"))
    text = report(ReportContent(name, [read_run(run_dir)], corpus=Curves(piece, 18, cells)))
    tree = check(text)
    assert any(name in part for part in tree.text)


def test_many_sources_are_cut_aloud(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy_charts, "MAX_LINES", 5)
    monkeypatch.setattr(curves, "MAX_SOURCES", 2)
    subject = read_run(run_dir)
    cells = [Point(f"s{number}", "libx264", None, 20.0, 9, 90.0, 3.0) for number in range(3)]
    corpus = Curves(CitedFile("c.jsonl", "0" * 64, 1, Path("c")), 27, cells)
    text = report(ReportContent("t", [subject], corpus=corpus))
    check(text)
    assert "Drawn: the 5 lowest of 22; the table has all" in text
    assert "Drawn: the first 2 of 3 sources" in text
    assert all(f">{line.name}</th>" in text for line in subject.sources)


def test_a_corpus_without_sizes_is_drawn_over_quality(run_dir: Path) -> None:
    cells = [Point("s", "libx264", None, cq, 9, 90.0 - cq, None) for cq in (20.0, 30.0)]
    corpus = Curves(CitedFile("c.jsonl", "0" * 64, 1, Path("c")), 18, cells)
    text = report(ReportContent("t", [read_run(run_dir)], corpus=corpus))
    check(text)
    assert "records no sizes" in text and "kbit per frame, log scale" not in text


def test_links_to_files_are_those_that_are_allowed(run_dir: Path) -> None:
    subject = read_run(run_dir)
    text = report(
        ReportContent("t", [subject]),
        href=lambda path: f"run/{path.name}" if path.suffix == ".json" else None,
    )
    tree = check(text)
    assert "run/PROMOTE.json" in tree.links and "run/intervals.json" in tree.links
    assert not any(link.endswith(".parquet") and link.startswith("run/") for link in tree.links)
