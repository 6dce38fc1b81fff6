"""Pages from templates: one Jinja environment for HTML, which is escaped, and for Markdown.

A template that asks for what it was not given fails. What data spells (names of sources, files,
encoders) goes into Markdown through the filter ``md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import jinja2
from markupsafe import Markup, escape

from vqcast.durable.files import sha256_bytes
from vqcast.evidence.coverage import Coverage

PACKAGE = "vqcast.pages"
_MARKDOWN = re.compile(
    r"[\\`*|]"  # anywhere
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # emphasis, not a name's own underscore
    r"|\](?= ?[(\[:])"  # a link
)


def render(template: str, package: str = PACKAGE, **context: object) -> str:
    """A page from the template of that name in ``package``'s folder ``templates``."""
    return environment(package).get_template(template).render(context)


@cache
def environment(package: str = PACKAGE) -> jinja2.Environment:
    """The environment of a package's templates, which may import those of this one."""
    loaders = [jinja2.PackageLoader(name) for name in dict.fromkeys((package, PACKAGE))]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "num": num,
        "figure": figure,
        "mean": mean,
        "percent": percent,
        "signed": signed,
        "bounds": bounds,
        "plural": plural,
        "slug": slug,
        "code": code,
        "md": md,
    }
    return made


def num(value: str | float | None, digits: int = 4) -> str:
    """A number for a table, a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def figure(value: float | None, digits: int = 4) -> str:
    """A metric, which may be undefined."""
    return "undefined" if value is None else f"{value:.{digits}f}"


def mean(things: Iterable[object], name: str) -> float | None:
    """The mean of an attribute over those that have it; None where none has."""
    values = [value for each in things if (value := getattr(each, name)) is not None]
    return sum(values) / len(values) if values else None


def percent(share: float | None, digits: int = 1) -> str:
    """A share of one in percent, without the sign; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign; a dash where there is none."""
    return "-" if value is None else f"{value:+.{digits}f}"


def bounds(measured: Coverage | None) -> str:
    """The low and high end of a share in percent; a dash where there are none."""
    if measured is None or measured.low is None:
        return "-"
    return f"{percent(measured.low)}..{percent(measured.high)}"


def plural(count: int, noun: str, several: str = "") -> str:
    """``1 source``, ``22 sources``."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def slug(name: str) -> str:
    """A name as part of an id: unlike names stay apart, and no character needs escaping."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    return plain if plain == name else f"{plain}-{sha256_bytes(name.encode())[:8]}"


def code(text: str) -> Markup:
    """Plain text for HTML, what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def md(text: str) -> str:
    """Text from data for Markdown: one line that no character of it turns into markup."""
    plain = " ".join(text.split()).replace("<", "&lt;")
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", plain)
