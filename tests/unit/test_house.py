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
MODULE_LINES = 450


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every function with its lines, from the signature to the end."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_fits_a_screen_and_a_module_a_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = functions(ast.parse(text))
    assert [each for each in found if each[1] > FUNCTION_LINES] == []
    assert len(text.splitlines()) <= MODULE_LINES


def test_a_class_name_has_one_meaning() -> None:
    homes: dict[str, list[str]] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(path.name)
    assert {name: each for name, each in homes.items() if len(each) > 1} == {}


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
