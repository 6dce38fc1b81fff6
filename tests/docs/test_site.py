"""The documentation site: it builds, its links hold, and what it says is what the program does."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import typer
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import vqcast
from vqcast.cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TINY = ROOT / "model" / "tiny"
EXAMPLE = DOCS / "examples" / "score_with_onnxruntime.py"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for ours, here in (
        ("docs_dir: build/pages", "docs_dir: pages"),
        ("site_dir: build/site", "site_dir: site"),
        ("paths: [src]", f"paths: [{ROOT / 'src'}]"),
    ):
        assert ours in config
        config = config.replace(ours, here)
    (folder / "mkdocs.yml").write_text(config, encoding="utf-8")
    for words in (
        [sys.executable, ROOT / "docs" / "site" / "stage.py", folder / "pages"],
        [sys.executable, "-m", "zensical", "build", "--strict"],
    ):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


class Links(HTMLParser):
    """What a page refers to, what it loads, and the places in it that links may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids.update(value for name in ("id", "name") if (value := found.get(name)))
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        loaded = found.get("href") if tag == "link" else found.get("src")
        if loaded:
            self.loaded.append(loaded)


def test_every_link_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    pages = {path: Links(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) > 25
    broken, fetched = [], []
    for path, page in pages.items():
        fetched += [(path.name, url) for url in page.loaded if urlsplit(url).netloc]
        for url in [*page.links, *page.loaded]:
            parts = urlsplit(url)
            # The page for a missing page is served from anywhere, so its links begin at the root.
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].ids if target in pages else None
            if not target.exists() or (parts.fragment and known is not None
                                       and unquote(parts.fragment) not in known):  # fmt: skip
                broken.append((str(path.relative_to(site)), url))
    assert broken == []
    assert fetched == []
    sheets = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import\s*)[\"']?(?:https?:)?//[^)\"']*", sheets) == []


def test_every_page_is_in_the_navigation() -> None:
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/-]+\.md", config[config.index("\nnav:") :]))
    assert named == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def commands() -> dict[str, Any]:
    """Every command that does something, by its words."""

    def walk(words: tuple[str, ...], command: Any) -> dict[str, Any]:
        below = getattr(command, "commands", {})
        found = {} if below else {" ".join(words): command}
        for name, each in below.items():
            found |= walk((*words, name), each)
        return found

    return walk((), typer.main.get_command(app))


def test_the_reference_has_every_command_and_option_that_help_prints(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text()
    for name in commands():
        printed = CliRunner().invoke(app, [*name.split(), "--help"]).output
        options = set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", printed, re.M)) - {"--help"}
        start = page.index(f'id="vqcast-{name.replace(" ", "-")}"')
        section = page[start : re.search(r"<h[234] |\Z", page[start:]).start() + start]
        assert [option for option in options if option not in section] == [], name


def test_the_reference_has_every_public_name(site: Path) -> None:
    python, documents = (
        (site / "reference" / name).read_text() for name in ("python.html", "json.html")
    )
    public = set(vqcast.__all__) - {"__version__", "errors"}
    assert len(public) > 10
    absent = [
        name
        for name in public
        if f'id="vqcast.{name}"' not in python and f'id="{name.lower()}"' not in documents
    ]
    assert absent == []


def test_commands_of_the_pages_exist() -> None:
    known = commands() | {"": typer.main.get_command(app)}
    options = {
        name: {each for param in command.params for each in param.opts + param.secondary_opts}
        for name, command in known.items()
    }
    wrong = []
    for page in PAGES:
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.M | re.S):
            for line in re.findall(r"^(?:\$ )?(vqcast .*)$", block.replace("\\\n", " "), re.M):
                words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
                depth = 2 if words[0] in ("corpus", "registry") else not words[0].startswith("-")
                name = " ".join(words[:depth])
                bad = [word for word in words if word.startswith("-")]
                bad = [word for word in bad if word not in options.get(name, ())]
                if name not in known or bad:
                    wrong.append((page.name, line, bad))
    assert wrong == []


def test_our_side_of_the_table_of_options_is_what_encode_takes() -> None:
    page = (DOCS / "howto" / "options.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in page.partition("| theirs | ours |")[2].splitlines()[2:]]
    named = {name for row in rows for name in re.findall(r"--[a-z][a-z-]+", row)}
    params = commands()["encode"].params
    taken = {each for param in params for each in param.opts + param.secondary_opts}
    assert len(named) > 30 and named <= taken, named - taken


def test_the_readme_starts_with_what_a_command_really_printed() -> None:
    readme = (ROOT / "README.md").read_text()
    said = (DOCS / "transcripts" / "encode.txt").read_text()
    assert readme.startswith(f"# vqcast\n\n<!-- transcript: encode -->\n```text\n{said}```\n")


def test_shipped_documents_fit_the_schemas_of_the_site(site: Path) -> None:
    def check(name: str, document: Any) -> None:
        schema = json.loads((site / "reference" / "schemas" / f"{name}.json").read_text())
        Draft202012Validator(schema).validate(document)

    def read(name: str) -> Any:
        return json.loads((TINY / name).read_text())

    events = {"start": "TuneStart", "probe": "TuneProbed", "result": "TuneResult"}
    lines = (DOCS / "transcripts" / "tune.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in (lines[0], lines[-1])] == ["start", "result"]
    for line in lines:
        check(events[json.loads(line)["event"]], json.loads(line))
    check("Registry", read("registry.json"))
    check("Manifest", read("fr_regressor_v2_ensemble_v1.json"))
    check("Sidecar", read("fr_regressor_v2_ensemble_v1_seed0.json"))
    check("MeanSidecar", read("fr_regressor_v2_ensemble_v1_mean.json"))
    check("SingleSidecar", read("fr_regressor_v3.json"))
    check("Verdict", read("fr_regressor_v2_ensemble_v1_seed_flip_PROMOTE.json"))
    check("LosoReport", read("evidence/fr_regressor_v2_ensemble_v1/loso_seed0.json"))


@pytest.mark.parametrize("name", ["gate", "verify", "list"])
def test_transcripts_are_what_the_commands_print(name: str) -> None:
    first, _, kept = (DOCS / "transcripts" / f"{name}.txt").read_text().partition("\n")
    words = shlex.split(first.removeprefix("$ vqcast "))
    done = subprocess.run(
        [sys.executable, "-m", "vqcast.cli.main", *words], cwd=ROOT, capture_output=True, text=True
    )
    printed = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
    assert printed == kept.splitlines(), "make transcripts writes them again"


def test_the_example_needs_little_and_answers_as_vqcast_does() -> None:
    tree = ast.parse(EXAMPLE.read_text())
    needed = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}  # fmt: skip  # noqa: E501
    assert needed - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}

    sidecar = TINY / "fr_regressor_v2_ensemble_v1_mean.json"
    done = subprocess.run(
        [sys.executable, EXAMPLE, sidecar], capture_output=True, text=True, check=True
    )
    features = np.array([[0.9596, 0.6260, 0.9144, 0.9574, 0.9759, 4.7305]])
    ours = vqcast.load().predict(features, encoder="libx264", cq=26, preset="medium")
    assert ours.interval is not None
    assert done.stdout == (
        f"score {ours.mean[0]:.2f}, spread {ours.std[0]:.2f}, "
        f"interval {ours.interval.lower[0]:.2f}..{ours.interval.upper[0]:.2f}\n"
    )


def test_the_example_refuses_a_changed_graph(tmp_path: Path) -> None:
    for suffix in (".json", ".onnx"):
        name = f"fr_regressor_v2_ensemble_v1_mean{suffix}"
        shutil.copy(TINY / name, tmp_path / name)
    graph = tmp_path / "fr_regressor_v2_ensemble_v1_mean.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    sidecar = graph.with_suffix(".json")
    done = subprocess.run([sys.executable, EXAMPLE, sidecar], capture_output=True, text=True)
    assert done.returncode != 0 and "is not the graph that was promoted" in done.stderr


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without any network. Skipped where there is none, but never in CI."""
    driver = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium on this machine: apt-get install chromium")
        pytest.skip("no chromium on this machine")
    with driver.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=["--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    """The site's address on this machine."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    """Says nothing of the requests that it answers."""

    def log_message(self, format: str, *arguments: object) -> None:
        """See `http.server.BaseHTTPRequestHandler`."""


def test_the_site_reads_and_searches_without_a_network(browser: Any, served: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(180_000)  # a busy machine is no fault of the site
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index", "start", "concepts/intervals", "reference/cli"):
        page.goto(f"{served}/{name}.html", wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    page.goto(f"{served}/concepts/intervals.html", wait_until="networkidle")
    chart = page.locator("svg.chart").first
    assert chart.bounding_box()["height"] > 150 and "nominal level" in chart.inner_html()
    page.locator("label[for=__search]").first.click()
    page.get_by_role("combobox", name="Search").press_sequentially("conformal")
    page.get_by_role("option").filter(has_text="Intervals and coverage").first.wait_for()
    assert said == []
    assert [url for url in asked if not url.startswith((served, "data:", "blob:", "about:"))] == []
    page.close()
