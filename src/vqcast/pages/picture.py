"""A matplotlib figure as an ``<svg>`` element of a page, or as a PNG or SVG file.

In a page each colour becomes a CSS variable, so that the page's theme decides, and text stays
text; a file keeps the colours as drawn, on white.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from vqcast.durable.files import write_atomic
from vqcast.errors import InputError
from vqcast.pages import ink

FORMATS = (".png", ".svg")
_REFERENCE = re.compile(r"#([^\")]+)")
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_NOT_IN_XML = dict.fromkeys(
    ({*range(32)} - {9, 10, 13}) | {0xFFFE, 0xFFFF}, "\N{REPLACEMENT CHARACTER}"
)
_PLACES = ("d", "x", "y", "width", "height", "transform")


def inline(figure: Figure, *, name: str, title: str, description: str) -> Markup:
    """The figure as an ``<svg>`` element for a page; ``name`` keeps its ids apart."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        svg = _saved(figure, "svg", transparent=True).decode()
    root = ElementTree.fromstring(svg.translate(_NOT_IN_XML))
    for sheet in [child for child in root if child.find("{*}style") is not None]:
        root.remove(sheet)
    used = {
        found[1]
        for each in root.iter()
        for key, value in each.items()
        if (found := _reference(key, value))
    }
    for each in root.iter():
        _shorten(each, name, used)
    width, height = (float(inches) * 72.0 for inches in figure.get_size_inches())
    root.attrib = {
        "class": "chart",
        "role": "img",
        "viewBox": f"0 0 {width:g} {height:g}",
        "aria-labelledby": f"{name}-title {name}-desc",
    }
    for place, (kind, text) in enumerate((("title", title), ("desc", description))):
        said = ElementTree.Element(kind, id=f"{name}-{kind}")
        said.text = text.translate(_NOT_IN_XML)
        root.insert(place, said)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def write(figure: Figure, path: Path) -> None:
    """The figure as a file, PNG or SVG by its name, on white.

    Raises InputError for another ending, or where it can't be written.
    """
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise InputError(
            f"plots are written as {' or '.join(FORMATS)}", path=path, hint="name the file plot.svg"
        )
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": path.stem}):
        write_atomic(path, _saved(figure, kind[1:], facecolor="white", dpi=160))


def _reference(key: str, value: str) -> re.Match[str] | None:
    """The id that an attribute refers to, as ``href="#id"`` or ``url(#id)``."""
    return _REFERENCE.search(value) if key.endswith("href") or "url(#" in value else None


def _shorten(element: ElementTree.Element, name: str, used: set[str]) -> None:
    """Plain tag and attribute names, ids of its own, themed colours, two decimals."""
    element.tag = _local(element.tag)
    if element.tag not in ("text", "tspan"):
        element.text = None
    element.tail = None
    kept: dict[str, str] = {}
    for key, value in element.items():
        if found := _reference(key, value):
            value = value.replace(found[0], f"#{name}-{found[1]}")
        if key == "id":
            if value not in used:
                continue
            value = f"{name}-{value}"
        elif key == "style":
            value = _themed(value)
        elif key in _PLACES:
            if value.startswith("rotate(-0 "):
                continue
            value = " ".join(_DECIMALS.sub(r"\1", value).split())
        kept[_local(key)] = value
    element.attrib = kept


def _local(name: str) -> str:
    """A name without its namespace: HTML knows an inline SVG's."""
    return name.rpartition("}")[2]


def _themed(style: str) -> str:
    """A style with the theme's variables in place of colours and font."""
    said = []
    for declaration in style.split(";"):
        key, _, value = declaration.strip().partition(": ")
        before, quoted, _ = value.partition("'DejaVu Sans'")
        if quoted:
            value = f"{before}var(--font)"
        elif value in ink.VARIABLES:
            value = f"var(--{ink.VARIABLES[value][0]})"
        said.append(f"{key}:{value}")
    return ";".join(said)


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    undated: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with warnings.catch_warnings():
        # A name may be in a script that matplotlib's font lacks; a page's font has it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            stream,
            format=kind,
            metadata=undated if kind == "svg" else {"Software": None},
            **options,
        )
    return stream.getvalue()
