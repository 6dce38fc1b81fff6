"""How a request's filters, and the machine's devices, reach the source that is probed for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vqcast.errors import InputError
from vqcast.media.hwaccel import equipped, on_device
from vqcast.media.source import Intake, Source, probe
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.tuning.machine import Machine
from vqcast.tuning.request import TuneRequest


def tool_of(machine: Machine | None) -> Tool:
    """The ffmpeg of ``machine``, asked for its device. Raises as `find_ffmpeg` does."""
    machine = machine or Machine()
    return equipped(find_ffmpeg(machine.ffmpeg), machine.hwaccel)


def filtered(intake: Intake | None, request: TuneRequest) -> Intake:
    """How a source is taken: as ``intake`` says, through the filters of ``request``.

    Raises InputError where the two contradict each other.
    """
    filters = request.filters.for_encode(request.options)
    return replace(intake or Intake(), filters=filters)


def probed(
    source: str | Path | Source, request: TuneRequest, tool: Tool, intake: Intake | None
) -> Source:
    """The source of a request, probed through its filters where it was not, on its device.

    Raises InputError for one that was probed through others, ToolUnavailable for a device that is
    not here.
    """
    if not isinstance(source, Source):
        return on_device(probe(Path(source), tool, intake=filtered(intake, request)), tool)
    taken, asked = source.intake.filters, filtered(None, request).filters
    settled = [
        each if each.deinterlace == "fields" else replace(each, deinterlace=None)
        for each in (taken, asked)
    ]
    if settled[0] != settled[1]:
        raise InputError(
            f"was probed through {str(taken) or 'no filters'}, not {str(asked) or 'none'}",
            path=source.path, hint="give its path",
        )  # fmt: skip
    return source
