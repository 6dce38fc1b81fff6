"""``vqcast doctor``: what works on this machine, by trying it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from vqcast import __version__, extras
from vqcast.cli import options, render
from vqcast.errors import VqcastError
from vqcast.media.doctor import Finding, examine
from vqcast.media.tool import find_ffmpeg

_MAIN_JOB = ("corpus build", "train", "promote", "predict")
_REQUIRED = {"libx264", "vmaf_v0.6.1"}


def doctor(ffmpeg: options.Ffmpeg = None, json: options.Json = False) -> None:
    """Try ffmpeg, every encoder and every VMAF model on a tiny clip.

    Exit code 0 where the main job (build, train, gate, promote, predict) can
    run; hardware encoders are no part of that.
    """
    facts: dict[str, Any] = {
        "vqcast": __version__,
        "python": platform.python_version(),
        "extras": {name: list(each.absent) for name, each in extras.EXTRAS.items()},
        "commands": [_command(name) for name in extras.NEEDS],
        "ffmpeg": None,
        "encoders": [],
        "vmaf_models": [],
    }
    lacking = dict.fromkeys(name for each in _MAIN_JOB for name in extras.absent(each))
    advice = [extras.install(*lacking)] if lacking else []
    if "media" not in lacking:
        advice += _examine(facts, ffmpeg)
    works = {each["name"] for each in facts["encoders"] + facts["vmaf_models"] if each["works"]}
    ready = not lacking and works >= _REQUIRED
    facts |= {"ready": ready, "advice": advice}
    if json:
        render.print_json(facts)
    else:
        _show(facts)
    if not ready:
        raise typer.Exit(1)


def _command(name: str) -> dict[str, Any]:
    lacking = extras.absent(name)
    install = extras.install(*lacking) if lacking else None
    return {"name": name, "can_run": not lacking, "install": install}


def _examine(facts: dict[str, Any], ffmpeg: Path | None) -> list[str]:
    try:
        tool = find_ffmpeg(ffmpeg)
        facts["ffmpeg"] = {
            "path": str(tool.path), "version": tool.version, "sha256": tool.sha256,
            "why": tool.why,
        }  # fmt: skip
        encoders, models = examine(tool)
    except VqcastError as error:
        return [f"{error.message} ({error.hint})" if error.hint else error.message]
    facts["encoders"] = [
        _fact(each)
        | {
            "hardware": each.hardware,
            "vocabulary_slots": {str(version): slot for version, slot in each.slots.items()},
        }
        for each in encoders
    ]
    facts["vmaf_models"] = [_fact(each) for each in models]
    if not all(each.works for each in (*encoders, *models) if not each.hardware):
        return ["pip install --upgrade imageio-ffmpeg  (every software encoder, and libvmaf)"]
    return []


def _fact(finding: Finding) -> dict[str, Any]:
    state = "works" if finding.works else "not here"
    return {"name": finding.name, "works": finding.works, "state": state, "why": finding.why}


def _show(facts: dict[str, Any]) -> None:
    render.say(f"vqcast {facts['vqcast']}, Python {facts['python']}")
    if facts["ffmpeg"]:
        tool = facts["ffmpeg"]
        render.say(
            f"ffmpeg {tool['version']}, {tool['why']}\n  {tool['path']}\n  sha256 {tool['sha256']}"
        )
    if facts["encoders"]:
        _lines(
            ("encoder", "state", "slot in", "why"),
            [
                (each["name"], each["state"], _slots(each), each["why"])
                for each in facts["encoders"]
            ],
        )
        render.say(
            "slot in: the vocabulary versions with a column for it; v1 calls libx264 and libx265 "
            "x264 and x265"
        )
    if facts["vmaf_models"]:
        _lines(
            ("VMAF model", "state", "why"),
            [(each["name"], each["state"], each["why"]) for each in facts["vmaf_models"]],
        )
    for each in facts["commands"]:
        if not each["can_run"]:
            render.say(f"{each['name']}: can't run without {each['install']}")
    for line in facts["advice"]:
        render.say(f"to do: {line}")
    render.say("ready: the main job can run here" if facts["ready"] else "not ready")


def _slots(encoder: dict[str, Any]) -> str:
    """``v2 v3``, or ``none``: a corpus may hold it, no model has a column for it."""
    return " ".join(f"v{version}" for version in encoder["vocabulary_slots"]) or "none"


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of words: every column starts at its left edge, the last one may be long."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        render.say("  ".join(cells).rstrip())
