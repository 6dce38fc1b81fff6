"""How to add a family: the page's package, entry and commands, run as they stand."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_kit import edit, reseal, rows, write_corpus
from typer.testing import CliRunner

from vqcast import families
from vqcast.cli.main import app
from vqcast.errors import EvidenceError
from vqcast.registry import law
from vqcast.workflow import steps

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "family.md").read_text()
FILE = re.compile(r"^`(vqcast_linear/[\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ID = "fr_linear_v1"


def block(heading: str, language: str) -> str:
    """The first block of a language below a heading."""
    below = PAGE.partition(f"\n## {heading}\n")[2]
    found = re.search(rf"^```{language}\n(.*?)^```$", below, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with a corpus, the page's package importable and its entry made."""
    root = tmp_path_factory.mktemp("family")
    for name, text in FILE.findall(PAGE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_corpus(root / "corpus.jsonl", rows())
    entry = ast.literal_eval("{" + block("The entry", "python") + "}")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(root))
        patched.chdir(root)
        for model_id, where in entry.items():
            patched.setitem(families.FAMILIES, model_id, where)
        yield root
        for name in [each for each in sys.modules if each.startswith("vqcast_linear")]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def said(place: Path) -> dict[str, str]:
    """What each of the page's commands printed."""
    printed = {}
    for line in block("Use it", "sh").splitlines():
        done = CliRunner().invoke(app, shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output, done.exception)
        printed[line] = done.stdout
    return printed


def line_of(said: dict[str, str], words: str) -> str:
    """What the command that holds these words printed."""
    return next(text for command, text in said.items() if words in command)


def test_the_pages_commands_do_what_it_says(said: dict[str, str], place: Path) -> None:
    piped = line_of(said, "pipeline").splitlines()
    assert piped[-1] == "vqcast promote run --corpus corpus.jsonl --registry DIR"
    assert "the graph differs from the line by at most" in line_of(said, "promote run")
    assert "models: sound, 7 files; not signed" in line_of(said, "verify models")
    assert f"{ID}: rebuilt, the same bytes" in line_of(said, "--rebuild")
    assert "promoted" in line_of(said, "registry list")
    card = (place / "cards" / f"{ID}.md").read_text()
    report = json.loads((place / "run" / "loso_seed0.json").read_bytes())
    assert f"Mean PLCC {report['mean_plcc']:.5f}" in card
    for fold in report["folds"]:
        assert f"| {fold['held_out']} | {fold['plcc']:.4f} | {fold['rmse']:.2f} |\n" in card
    assert report["mean_plcc"] > 0.95


def test_the_pages_python_scores(said: dict[str, str], place: Path) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block("Use it", "python"), {})
    (score,) = ast.literal_eval(printed.getvalue().strip().replace(" ", ""))
    assert 60 < score < 100


def test_what_is_forged_is_named(said: dict[str, str], place: Path) -> None:
    models = place / "models"
    name = f"evidence/{ID}/loso_seed0.json"
    edit(models / name, lambda report: report.update(mean_srocc=0.9999))
    reseal(models)
    assert any("digests that the verdict pins" in each for each in law.verify(models))


def test_other_evidence_is_refused(said: dict[str, str], place: Path) -> None:
    other = write_corpus(place / "other.jsonl", rows(seed=4))
    with pytest.raises(EvidenceError, match="another corpus"):
        steps.promote(place / "run", [other], place / "new")
    assert not (place / "new").exists()
