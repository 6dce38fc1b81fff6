"""Encoder options against the real ffmpeg: what it does not know is refused before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vqcast.errors import InputError, ToolUnavailable
from vqcast.media.encoders import encoder
from vqcast.media.option_check import require_options
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.tool import Tool
from vqcast.media.unlisted import described
from vqcast.workflow.corpus import Grid

FAST = {
    "libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "10", "libaom-av1": "8",
    "libvvenc": "faster", "libvpx-vp9": "8",
}  # fmt: skip


def check(name: str, tool: Tool, **options: object) -> None:
    entry = encoder(name, EncoderOptions(**options))  # type: ignore[arg-type]
    require_options(entry, FAST[name], 8, tool)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("libx264", {"enc": ("aq-mode=3", "maxrate=2M", "bufsize=4M", "profile=high")}),
        ("libx264", {"x264": "aq-mode=3:no-mbtree:bframes=5", "keyint": "10s", "scene_cut": False}),
        ("libx265", {"x265": "aq-mode=3:no-sao:bframes=3", "keyint": "240", "scene_cut": True}),
        ("libsvtav1", {"svt": "tune=0:film-grain=8:enable-qm=1", "keyint": "10s"}),
        ("libaom-av1", {"aom": "aq-mode=1:enable-cdef=0", "keyint": "5s"}),
        ("libvvenc", {"vvenc": "qpa=0", "keyint": "64"}),
        ("libvpx-vp9", {"enc": ("aq-mode=1", "auto-alt-ref=1", "lag-in-frames=25")}),
    ],
)
def test_what_people_paste_is_taken(name: str, options: dict[str, object], tool: Tool) -> None:
    check(name, tool, **options)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("libx264", {"enc": ("aqmode=3",)}, "did you mean aq-mode"),
        ("libx264", {"x264": "aqmode=3"}, "did you mean aq-mode"),
        ("libx265", {"x265": "aqmode=3"}, "did you mean aq-mode"),
        ("libsvtav1", {"svt": "film_grain=8"}, "did you mean film-grain"),
        ("libaom-av1", {"aom": "aqmode=3"}, "did you mean aq-mode"),
        ("libvvenc", {"vvenc": "qpaa=1"}, "did you mean qpa"),
        ("libx264", {"enc": ("aq-mode=sharp",)}, "does not take these options"),
        ("libx265", {"x265": "aq-mode=77"}, "Aq-Mode is out of range"),
        ("libsvtav1", {"svt": "film-grain=99"}, r"between \[0,50\]"),
        ("libx264", {"enc": ("map=0",)}, "is not known"),
        ("libx264", {"enc": ("vf=null",)}, "is not known"),
        ("libx264", {"enc": ("report=1",)}, "can't be given"),
    ],
)
def test_a_typo_or_a_value_off_its_scale_is_refused_with_the_nearest_name(
    name: str, options: dict[str, object], said: str, tool: Tool
) -> None:
    with pytest.raises(InputError, match=said):
        check(name, tool, **options)


@pytest.mark.parametrize(
    ("asked", "lacking"), [("encoder=libsvtav1", "libsvtav1"), ("filter=libvmaf", "libvmaf")]
)
def test_an_ffmpeg_that_lacks_something_is_told_before_any_work(
    asked: str, lacking: str, tool: Tool, tmp_path: Path
) -> None:
    script = tmp_path / "lean-ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *"-h {asked}"*) echo Unknown; exit 0;; esac\n'
        f'exec {tool.path} "$@"\n'
    )
    script.chmod(0o755)
    lean = replace(tool, path=script)
    with pytest.raises(ToolUnavailable, match=f"built without the \\w+ {lacking}") as refused:
        described("libsvtav1", PLAIN, lean)
    assert refused.value.exit_status == 2
    assert described("libsvtav1", PLAIN, tool) is PLAIN
    with pytest.raises(ToolUnavailable, match=lacking):
        Grid([], {"libx264": (30.0,), "libsvtav1": (30.0,)}).described(lean)
