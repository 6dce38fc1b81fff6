"""Every option of the adapter table against what the shipped ffmpeg documents.

No hardware is needed for that, and none is used: this shows that the words are
ffmpeg's, not that a device takes them.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from functools import cache

import pytest

from vqcast.media.encoders import ENCODERS, Encoder
from vqcast.media.tool import Tool

ALL = sorted(ENCODERS)


@dataclass
class Option:
    """One option of ``ffmpeg -h``: its named values, and its range where it has one."""

    values: list[str] = field(default_factory=list)
    low: float | None = None
    high: float | None = None


@cache
def _help(tool: Tool, topic: str) -> str:
    command = [str(tool.path), "-hide_banner", "-h", topic]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _options(text: str) -> dict[str, Option]:
    """The AVOptions of a help text that an encoder of video takes."""
    found: dict[str, Option] = {}
    last: Option | None = None
    for line in text.splitlines():
        if head := re.match(r" {1,2}-(\S+) +<\w+> +E\S*V\S*(.*)", line):
            last = found.setdefault(head[1], Option())
            if bounds := re.search(r"\(from (-?[\d.]+) to (-?[\d.]+)\)", head[2]):
                last.low, last.high = float(bounds[1]), float(bounds[2])
        elif last is not None and (value := re.match(r" {5}(\S+) +(-?\d+ +)?E\S*V", line)):
            last.values.append(value[1])
        else:
            last = None
    return found


def _program_options(text: str) -> set[str]:
    """ffmpeg's own options, those before the first AVOptions section."""
    own = text.partition("AVOptions:")[0]
    return set(re.findall(r"^-(\w+)(?:\[:<?\w+>?\])?(?: |$)", own, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def built_in(tool: Tool) -> set[str]:
    """The encoders that this ffmpeg was built with."""
    return set(re.findall(r"^ V\S+ +(\S+)", _encoder_list(tool), flags=re.MULTILINE))


@cache
def _encoder_list(tool: Tool) -> str:
    command = [str(tool.path), "-hide_banner", "-encoders"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _documented(entry: Encoder, built_in: set[str]) -> bool:
    """Whether this ffmpeg documents it. Only Apple's builds know VideoToolbox.

    Elsewhere the golden lines alone hold those two entries.
    """
    if entry.name in built_in:
        return True
    assert entry.name.endswith("_videotoolbox")
    return False


def _passed(entry: Encoder, depth: int) -> list[tuple[str, str]]:
    words = [*entry.before_input, *entry.options(entry.middle, entry.default_preset, depth)]
    assert len(words) % 2 == 0
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert all(option.startswith("-") for option, _ in pairs)
    return [(option[1:].partition(":")[0], value) for option, value in pairs]


@pytest.mark.parametrize("name", ALL)
def test_every_option_passed_is_documented_and_its_value_too(
    name: str, tool: Tool, built_in: set[str]
) -> None:
    entry = ENCODERS[name]
    if not _documented(entry, built_in):
        return
    own = _options(_help(tool, f"encoder={name}"))
    full = _help(tool, "full")
    codec = _options(full[full.index("AVCodecContext AVOptions:") :].partition("\n\n")[0])
    program = _program_options(full)
    assert {"c", "vf", "pix_fmt", "q", "init_hw_device", "vaapi_device"} <= program
    assert {"b", "global_quality", "threads"} <= codec.keys()
    for depth in (8,) if entry.pix_fmt_10 is None else (8, 10):
        for option, value in _passed(entry, depth):
            documented = own.get(option) or codec.get(option)
            if documented is None:
                assert option in program, f"{name}: -{option} is documented nowhere"
                continue
            number = re.fullmatch(r"-?\d+(\.\d+)?", value)
            if documented.values and not number:
                assert value in documented.values, f"{name}: -{option} {value}"
            elif number and documented.low is not None and documented.high is not None:
                assert documented.low <= float(value) <= documented.high


@pytest.mark.parametrize("name", ALL)
def test_the_whole_scale_is_inside_the_documented_range(
    name: str, tool: Tool, built_in: set[str]
) -> None:
    entry = ENCODERS[name]
    if not _documented(entry, built_in):
        return
    own = _options(_help(tool, f"encoder={name}"))
    for knob in entry.knobs:
        option = own.get(knob.removeprefix("-"))
        if option is not None and option.low is not None and option.high is not None:
            assert option.low <= entry.cq_min < entry.cq_max <= option.high


@pytest.mark.parametrize("name", [n for n in ALL if "nvenc" in n])
def test_nvenc_s_scale_ends_where_its_help_says(name: str, tool: Tool) -> None:
    (top,) = re.findall(r"-cq .*\(0 to (\d+), 0 means automatic\)", _help(tool, f"encoder={name}"))
    assert (ENCODERS[name].cq_min, ENCODERS[name].cq_max) == (1, int(top))


@pytest.mark.parametrize("name", [n for n in ALL if ENCODERS[n].presets and ENCODERS[n].device])
def test_every_frozen_preset_is_a_documented_value(
    name: str, tool: Tool, built_in: set[str]
) -> None:
    entry = ENCODERS[name]
    assert name in built_in
    assert entry.preset_option is not None
    option = _options(_help(tool, f"encoder={name}"))[entry.preset_option.removeprefix("-")]
    assert set(entry.presets) <= set(option.values)


@pytest.mark.parametrize("name", ALL)
def test_pixel_formats_are_ones_that_the_encoder_takes(
    name: str, tool: Tool, built_in: set[str]
) -> None:
    entry = ENCODERS[name]
    if not _documented(entry, built_in):
        return
    (line,) = re.findall(r"Supported pixel formats: (.*)", _help(tool, f"encoder={name}"))
    if entry.device is not None and entry.device.upload:
        assert line.split() == ["vaapi"]
        return
    formats = {entry.pix_fmt_8, entry.pix_fmt_10} - {None}
    assert formats <= set(line.split())
