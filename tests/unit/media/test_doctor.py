"""The doctor: every encoder is really tried, and what is missing is said in a few words.

A machine may have any of the devices, so nothing here depends on which: where
a device must be absent, a stand-in for ffmpeg says what the real one says then.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vqcast.errors import ToolUnavailable
from vqcast.media.doctor import examine, require_devices, slots_of
from vqcast.media.encoders import ENCODERS
from vqcast.media.tool import Tool
from vqcast.vocab import UNKNOWN, VOCABULARIES

SIX = {name for name, entry in ENCODERS.items() if entry.device is None}
NO_NVIDIA = "[h264_nvenc @ 0x1] Cannot load libcuda.so.1\n[out#0 @ 0x2] Nothing was written"
NO_AMF = "[AMF @ 0x1] DLL libamfrt64.so.1 failed to open\n[out#0 @ 0x2] Nothing was written"


@pytest.fixture
def bare(tool: Tool, tmp_path: Path) -> Tool:
    """The real ffmpeg on a machine without NVIDIA and AMD devices, whatever this one has."""
    script = tmp_path / "bare-ffmpeg"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in\n'
        f"  *_nvenc*) echo {shlex.quote(NO_NVIDIA)} >&2; exit 255;;\n"
        f"  *_amf*) echo {shlex.quote(NO_AMF)} >&2; exit 171;;\n"
        "esac\n"
        f'exec {tool.path} "$@"\n'
    )
    script.chmod(0o755)
    return replace(tool, path=script)


def _vqcast(
    *words: object, environment: dict[str, str], ffmpeg: Path
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vqcast.cli.main", *(str(word) for word in words)]
    return subprocess.run(
        command,
        env=environment | {"IMAGEIO_FFMPEG_EXE": str(ffmpeg)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_examine_tries_every_encoder_and_gives_a_short_reason_for_each_that_fails(
    tool: Tool, private_tmp: Path
) -> None:
    start = time.monotonic()
    encoders, models = examine(tool)
    assert time.monotonic() - start < 60
    assert [each.name for each in encoders] == list(ENCODERS)
    assert {each.name for each in encoders if each.works} >= SIX
    assert all(each.works for each in models)
    for each in encoders:
        assert bool(each.why) == (not each.works)
        assert len(each.why) <= 100
        assert "\n" not in each.why
        assert each.hardware == (each.name not in SIX)
        assert each.slots == slots_of(each.name)


def test_slots_are_those_of_the_vocabularies() -> None:
    held = {
        version: {slots[version] for name in ENCODERS if version in (slots := slots_of(name))}
        for version in VOCABULARIES
    }
    assert held == {v: set(slots) - {UNKNOWN} for v, slots in VOCABULARIES.items()}
    assert slots_of("libx264") == {1: "x264", 2: "libx264", 3: "libx264"}
    assert slots_of("libaom-av1") == {3: "libaom-av1"}
    assert slots_of("h264_vaapi") == {}


def test_an_encoder_that_writes_no_picture_does_not_pass_for_working(
    tool: Tool, tmp_path: Path
) -> None:
    script = tmp_path / "lying-ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *"-c:v libx264"*) exit 0;; esac\nexec {tool.path} "$@"\n'
    )
    script.chmod(0o755)
    encoders, _ = examine(replace(tool, path=script))
    assert {each.name for each in encoders if not each.works} >= {"libx264"}
    assert {each.name for each in encoders if each.works} >= SIX - {"libx264"}


def test_devices_that_are_missing_are_named_in_one_sentence(bare: Tool, private_tmp: Path) -> None:
    with pytest.raises(ToolUnavailable) as refused:
        require_devices(["libx264", "h264_nvenc", "av1_amf"], bare)
    assert refused.value.message == (
        "h264_nvenc can't encode here: no NVIDIA driver (libcuda.so.1); "
        "av1_amf can't encode here: no AMD AMF runtime (libamfrt64.so.1)"
    )
    assert "an NVIDIA GPU with NVENC and its driver" in str(refused.value.hint)
    assert refused.value.exit_status == 2


def test_software_encoders_are_not_tried_and_a_device_that_works_is_let_through(
    tool: Tool, tmp_path: Path, private_tmp: Path
) -> None:
    require_devices(SIX, replace(tool, path=tmp_path / "no-such-ffmpeg"))
    script = tmp_path / "software-in-disguise"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"words = [{str(tool.path)!r}, *sys.argv[1:]]\n"
        "text = '\\0'.join(words).replace('h264_nvenc', 'libx264').replace('-cq', '-crf')\n"
        "text = text.replace('\\0p4\\0', '\\0fast\\0').replace('-rc\\0vbr\\0-b:v\\x000\\0', '')\n"
        "os.execv(words[0], text.split('\\0'))\n"
    )
    script.chmod(0o755)
    require_devices(["h264_nvenc"], replace(tool, path=script))


def test_a_build_with_a_missing_device_ends_before_any_source_is_read(
    bare: Tool, pattern: Path, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    out = tmp_path / "runs" / "c.jsonl"
    ended = _vqcast(
        *("corpus", "build", pattern, tmp_path / "absent.mkv"),
        *("--encoder", "libx264,h264_nvenc", "--cq", "25", "--out", out),
        environment=python_environment | {"TMPDIR": str(temporary)},
        ffmpeg=bare.path,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    told = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert told == ["error: h264_nvenc can't encode here: no NVIDIA driver (libcuda.so.1)"]
    assert "Nothing was written" not in ended.stderr
    assert list(temporary.glob("vqcast-*")) == []
    assert not out.parent.exists()


def test_doctor_shows_every_encoder_and_exits_with_0_without_any_hardware(
    bare: Tool, python_environment: dict[str, str]
) -> None:
    shown = _vqcast("doctor", environment=python_environment, ffmpeg=bare.path)
    assert shown.returncode == 0, shown.stderr
    rows = {line.split()[0]: line for line in shown.stdout.splitlines() if line.strip()}
    assert set(ENCODERS) <= set(rows)
    for name in SIX:
        assert rows[name].split()[1] == "works"
    assert rows["hevc_nvenc"].split("  ")[-1].strip() == "no NVIDIA driver (libcuda.so.1)"
    assert "not here" in rows["hevc_nvenc"]
    assert "to do:" not in shown.stdout, "absent hardware is nothing to repair"

    answered = _vqcast("doctor", "--json", environment=python_environment, ffmpeg=bare.path)
    facts = json.loads(answered.stdout)
    encoders = {each["name"]: each for each in facts["encoders"]}
    assert facts["ready"] is True
    assert encoders["h264_amf"] == {
        "name": "h264_amf",
        "works": False,
        "state": "not here",
        "why": "no AMD AMF runtime (libamfrt64.so.1)",
        "hardware": True,
        "vocabulary_slots": {"3": "h264_amf"},
    }
    assert encoders["libx264"]["vocabulary_slots"] == {"1": "x264", "2": "libx264", "3": "libx264"}
    assert encoders["av1_vaapi"]["vocabulary_slots"] == {}


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("clip_24fps.yuv", [], "is raw YUV"),
        ("clip_24fps.yuv", ["--width", "64"], "is raw YUV"),
        ("clip.yuv", ["--width", "64", "--height", "48"], "does not end in a frame rate"),
        ("clip_0fps.yuv", ["--width", "64", "--height", "48"], "is not a frame rate"),
    ],
)
def test_a_raw_file_whose_shape_or_rate_is_not_known_is_refused(
    name: str,
    words: list[str],
    told: str,
    tool: Tool,
    tmp_path: Path,
    python_environment: dict[str, str],
) -> None:
    path = tmp_path / name
    path.write_bytes(os.urandom(64 * 48 * 3))
    ended = _vqcast(
        *("corpus", "build", path, "--encoder", "libx264", "--cq", "25"),
        *("--raw-fps", "name", "--raw-pix-fmt", "yuv420p", *words, "--out", tmp_path / "c.jsonl"),
        environment=python_environment,
        ffmpeg=tool.path,
    )
    assert ended.returncode == 2
    assert told in ended.stderr


def test_raw_files_of_several_frame_rates_are_built_by_one_command(
    tool: Tool, tmp_path: Path, python_environment: dict[str, str]
) -> None:
    for rate in (24, 30):
        frames = bytes(range(256)) * (64 * 48 * 3 // 2 * 4 // 256)
        (tmp_path / f"clip{rate}_{rate}fps.yuv").write_bytes(frames)
    out = tmp_path / "c.jsonl"
    ended = _vqcast(
        *("corpus", "build", *sorted(tmp_path.glob("*.yuv")), "--encoder", "libx264"),
        *("--width", 64, "--height", 48, "--raw-fps", "name", "--raw-pix-fmt", "yuv420p"),
        *("--cq", "25,37", "--no-v1"),
        *("--out", out),
        environment=python_environment,
        ffmpeg=tool.path,
    )
    assert ended.returncode == 0, ended.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["src"] for row in rows} == {"clip24_24fps", "clip30_30fps"}
    assert len(rows) == 2 * 2 * 4
