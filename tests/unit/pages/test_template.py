"""What templates write: escaped, in plain numbers, and never with a word left blank."""

from __future__ import annotations

import re

import jinja2
import pytest

from vqcast.pages import template


def test_unlike_names_have_unlike_slugs() -> None:
    names = ["a b", "a-b", "a/b", "clip_1", 'q"uote', "視", "頻"]
    slugs = [template.slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", slug) for slug in slugs)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "-"), (0.12346, "0.1235"), (12345, "12,345"), ("a", "a"), (float("nan"), "nan")],
)
def test_a_number_for_a_table(value: object, said: str) -> None:
    assert template.num(value) == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (4321, "4,321 rows")])
def test_one_is_not_several(count: int, said: str) -> None:
    assert template.plural(count, "row") == said
    assert template.plural(2, "entry", "entries") == "2 entries"


def test_backticks_become_code_and_nothing_else_markup() -> None:
    assert template.code("a `b<` c") == "a <code>b&lt;</code> c"
    assert template.code("one ` alone <b>") == "one ` alone &lt;b&gt;"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ball_juggle [ss=3.0] v1.2", "ball_juggle [ss=3.0] v1.2"),
        ("a|b\nc", r"a\|b c"),
        ("<script>", "&lt;script>"),
        ("[x](http://e.org)", r"[x\](http://e.org)"),
        ("a [b] [c]", r"a [b\] [c]"),
        ("_em_ *b* `c`", r"\_em\_ \*b\* \`c\`"),
    ],
)
def test_names_stay_text_in_markdown(name: str, said: str) -> None:
    assert template.md(name) == said


def test_what_a_template_was_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        template.environment().from_string("{{ absent }}").render()
