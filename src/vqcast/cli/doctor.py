"""``vqcast doctor``: what works on this machine, by trying it."""

from __future__ import annotations

import importlib.util
import platform
from typing import Any

import typer

from vqcast import __version__
from vqcast.cli import options, render
from vqcast.errors import VqcastError

_EXTRAS = {
    "media": ("imageio_ffmpeg", "av"),
    "train": ("numba", "scipy", "polars", "torch"),
}


def doctor(json: options.Json = False) -> None:
    """Try ffmpeg, every encoder and every VMAF model on a tiny clip.

    Exit code 0 where the main job (build, train, gate, promote, predict) can run.
    """
    facts: dict[str, Any] = {
        "vqcast": __version__,
        "python": platform.python_version(),
        "extras": {
            extra: [name for name in modules if importlib.util.find_spec(name) is None]
            for extra, modules in _EXTRAS.items()
        },
        "ffmpeg": None,
        "encoders": [],
        "vmaf_models": [],
    }
    advice = [
        f"pip install 'vqcast[{extra}]'  (missing: {', '.join(missing)})"
        for extra, missing in facts["extras"].items()
        if missing
    ]
    if not facts["extras"]["media"]:
        advice += _examine(facts)
    works = {
        finding["name"] for finding in facts["encoders"] + facts["vmaf_models"] if finding["works"]
    }
    ready = not any(facts["extras"].values()) and {"libx264", "vmaf_v0.6.1"} <= works
    facts |= {"ready": ready, "advice": advice}
    if json:
        render.print_json(facts)
    else:
        _show(facts)
    if not ready:
        raise typer.Exit(1)


def _examine(facts: dict[str, Any]) -> list[str]:
    from vqcast.media.doctor import examine
    from vqcast.media.tool import find_ffmpeg

    try:
        tool = find_ffmpeg()
        facts["ffmpeg"] = {"path": str(tool.path), "version": tool.version, "sha256": tool.sha256}
        encoders, models = examine(tool)
    except VqcastError as error:
        return [f"{error.message} ({error.hint})" if error.hint else error.message]
    for key, findings in (("encoders", encoders), ("vmaf_models", models)):
        facts[key] = [
            {"name": each.name, "works": each.works, "why": each.why} for each in findings
        ]
    if not all(each.works for each in (*encoders, *models)):
        return [
            "pip install --upgrade imageio-ffmpeg brings an ffmpeg with every encoder and libvmaf"
        ]
    return []


def _show(facts: dict[str, Any]) -> None:
    render.say(f"vqcast {facts['vqcast']}, Python {facts['python']}")
    if facts["ffmpeg"]:
        tool = facts["ffmpeg"]
        render.say(f"ffmpeg {tool['version']}\n  {tool['path']}\n  sha256 {tool['sha256']}")
    for title, key in (("encoder", "encoders"), ("VMAF model", "vmaf_models")):
        if facts[key]:
            render.table(
                (title, "state", "why"),
                [
                    (each["name"], "works" if each["works"] else "does not work", each["why"])
                    for each in facts[key]
                ],
            )
    for line in facts["advice"]:
        render.say(f"to do: {line}")
    render.say("ready: the main job can run here" if facts["ready"] else "not ready")
