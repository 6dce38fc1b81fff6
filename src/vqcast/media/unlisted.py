"""An encoder before any work: that this ffmpeg has it, and what it says of one not in the table.

options = described("librav1e", EncoderOptions(knob="qp", knob_range="0:255:1"), find_ffmpeg())
encoder("librav1e", options).options(80, None, 8)
"""

from __future__ import annotations

import re
from dataclasses import replace

from vqcast.errors import InputError
from vqcast.media.encoders import ENCODERS
from vqcast.media.option_check import help_of, known_options, pixel_formats, require_built
from vqcast.media.options import EncoderFacts, EncoderOptions, nearest
from vqcast.media.tool import Tool

_GENERIC = ("q", "qscale")
"""Knobs that every encoder may take, by ffmpeg's own options."""


def described(name: str, given: EncoderOptions, tool: Tool) -> EncoderOptions:
    """``given`` with what ``tool`` says of ``name``; unchanged where the table has it, or no knob.

    Raises ToolUnavailable for a software encoder of the table that this ffmpeg is built without,
    InputError for another encoder or a knob that it does not have.
    """
    if name in ENCODERS and ENCODERS[name].device is None:
        require_built(name, tool)
    if name in ENCODERS or given.knob is None:
        return given
    told = help_of(tool, f"encoder={name}")
    if f"Encoder {name} " not in told:
        raise InputError(f"this ffmpeg has no encoder {name!r}", hint="ffmpeg -encoders lists them")
    known, _ = known_options(name, tool)
    if given.knob not in known and given.knob not in _GENERIC:
        raise InputError(f"{name}: --knob {given.knob} is not known{nearest(given.knob, known)}")
    listed = re.search(
        rf"^ V\S+ +{re.escape(name)} .*?(?:\(codec (\w+)\))?$", help_of(tool, None), re.MULTILINE
    )
    formats = pixel_formats(name, tool)
    deep = next((each for each in ("yuv420p10le", "p010le") if each in formats), None)
    shallow = next((each for each in ("yuv420p", "nv12") if each in formats), None)
    if formats and shallow is None and deep is None:
        raise InputError(f"{name} takes no 4:2:0 pictures", hint=f"it takes {' '.join(formats)}")
    facts = EncoderFacts(
        codec=listed[1] if listed and listed[1] else name,
        pix_fmt_8=shallow or deep or "yuv420p",
        pix_fmt_10=deep,
        threads="Threading capabilities: none" not in told,
    )
    return replace(given, facts=facts)
