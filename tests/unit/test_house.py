"""The house stays as it was drawn: short functions, modules for one sitting, no circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "studies").rglob("*.py")])
FUNCTION_LINES = 60
WHOLE = ("regressor", "forecast", "evidence", "registry", "workflow")
"""Rooms whose functions are counted with signature and docstring."""
MODULE_LINES = 450


def functions(tree: ast.AST, *, whole: bool) -> Iterator[tuple[str, int]]:
    """Every function with its lines, those of its body alone unless ``whole``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
            assert node.end_lineno is not None
            start = node.lineno if whole else body[0].lineno
            yield node.name, node.end_lineno - start + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_fits_a_screen_and_a_module_a_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = functions(ast.parse(text), whole=path.parent.name in WHOLE)
    assert [each for each in found if each[1] > FUNCTION_LINES] == []
    assert len(text.splitlines()) <= MODULE_LINES


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom, imports inside functions included, those for type checkers left out."""
    return grimp.build_graph(
        "vqcast", "studies", exclude_type_checking_imports=True, cache_dir=None
    )


def test_no_module_imports_itself_by_a_detour(graph: grimp.ImportGraph) -> None:
    imports = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    left = dict(imports)
    while free := [each for each, of in left.items() if not of & left.keys()]:
        for each in free:
            del left[each]
    assert sorted(left) == []


def test_the_package_knows_nothing_of_its_studies_and_tools(graph: grimp.ImportGraph) -> None:
    up = {
        (importer, imported)
        for importer in graph.modules
        if importer.startswith("vqcast")
        for imported in graph.find_modules_directly_imported_by(importer)
        if not imported.startswith("vqcast")
    }
    assert up == set()
    roots = {name.partition(".")[0] for name in ("studies", "bench", "tools", "tests")}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not roots & {alias.name.partition(".")[0] for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.partition(".")[0] not in roots, path
