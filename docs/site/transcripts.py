"""Run the commands that the pages show, and keep what they print.

Each transcript is the command as a reader would type it, and its output. ``make transcripts`` runs
those on the demo's clip, which no model has seen, too; ``make figures`` only the others.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import reference

from vqcast.pages import blocks

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "transcripts"
README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "images"
TUNE = "vqcast tune bikes.mp4 --encoder libsvtav1 --target 93"
EVIDENCE = "model/tiny/evidence/fr_regressor_v2_ensemble_v1"

ON_THE_CLIP = {
    "tune": f"{TUNE} --plot tune.svg",
    "again": TUNE,
    "surer": f"{TUNE} --verify",
    "out_of_reach": f"{TUNE} --min-crf 55",
    "size_cap": f"{TUNE} --max-size-percent 10",
    "encode": "vqcast encode bikes.mp4 -o bikes.mkv --encoder libsvtav1 --target 93",
    "json": f"{TUNE} --json",
}
ON_THE_CHECKOUT = {
    "gate": f"vqcast gate {EVIDENCE} --check",
    "verify": "vqcast registry verify model/tiny",
    "list": "vqcast registry list model/tiny",
}
"""What these print follows from the files of the repository alone."""


def run(command: str, folder: Path, **environment: str) -> tuple[int, str]:
    """The exit code, and the transcript: the command, what it printed, and a code that is not 0."""
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "vqcast.cli.main", *words[1:]],
        cwd=folder,
        env=os.environ | {"COLUMNS": "100"} | environment,
        stdout=subprocess.PIPE,
        # Notes go to standard error, and would stand among the lines of JSON.
        stderr=subprocess.DEVNULL if "--json" in words else subprocess.STDOUT,
        text=True,
    )
    lines = [f"$ {command}", *(line.rstrip() for line in done.stdout.splitlines())]
    if done.returncode:
        lines += ["$ echo $?", str(done.returncode)]
    return done.returncode, "\n".join(lines) + "\n"


def on_the_checkout() -> None:
    """Write the transcripts that need no clip, and the README's table of extras."""
    blocks.write(README, "extras", reference.extras_table())
    for name, command in ON_THE_CHECKOUT.items():
        _keep(name, *run(command, ROOT))


def on_the_clip(clip: Path) -> None:
    """Write the others, and the tuning's picture and lines."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        shutil.copy(clip, folder / "bikes.mp4")
        for name, command in ON_THE_CLIP.items():
            # The lines of JSON are of a first run, as the picture is.
            cache = folder / ("json" if name == "json" else "text")
            code, said = run(command, folder, XDG_CACHE_HOME=str(cache))
            if name == "json":
                lines = said.splitlines()[1:]
                (OUT / "tune.jsonl").write_text("\n".join(lines) + "\n")
                said = "\n".join([f"$ {command} | head -2", *lines[:2]]) + "\n"
            _keep(name, code, said)
        shutil.copy(folder / "tune.svg", PICTURES / "tune.svg")


def _keep(name: str, code: int, said: str) -> None:
    if code not in (0, 3, 4):
        sys.exit(said)
    (OUT / f"{name}.txt").write_text(said)
    README.write_text(shown(README.read_text(), name, said))
    print(f"wrote {name}.txt")


def shown(page: str, name: str, said: str) -> str:
    """``page`` with the transcript in the block under its ``<!-- transcript: name -->``, if any."""
    block = rf"(<!-- transcript: {name} -->\n```text\n).*?(```)"
    return re.sub(block, lambda found: f"{found[1]}{said}{found[2]}", page, flags=re.S)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    PICTURES.mkdir(exist_ok=True)
    on_the_checkout()
    if sys.argv[1:]:
        on_the_clip(Path(sys.argv[1]))
