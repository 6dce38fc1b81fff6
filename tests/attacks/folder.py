"""Real films of a folder, judged as `attacks.containers` judges drawn ones.

    PYTHONPATH=tests python -m attacks.folder FOLDER

Each is delivered into Matroska and MP4, or refused with ways round that deliver it. Exit code 1
where one is not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from attacks.commands import inside
from attacks.containers import Attempt, found
from attacks.count import scratch

OUTPUTS = ("mkv", "mp4")
ENCODER = ("libx264", "ultrafast")


def became(path: Path, output: str) -> str:
    """What became of one film in one container."""
    source = found(path)
    if source is None:
        return "not transcoded by plain ffmpeg either"
    with scratch() as folder, inside(folder):
        copy = folder / path.name
        copy.symlink_to(path)
        return Attempt(copy, source, folder / f"output.{output}", ENCODER).outcome()


def main() -> int:
    """Judge every file of the folder that is asked for."""
    parser = argparse.ArgumentParser(prog="attacks.folder", description="Deliver a folder's films.")
    parser.add_argument("folder", type=Path)
    paths = sorted(parser.parse_args().folder.absolute().iterdir())
    wrong = 0
    for path in (each for each in paths if each.suffix not in (".md", ".tsv")):
        for output in OUTPUTS:
            said = became(path, output)
            wrong += said.startswith("wrong")
            print(f"{path.name:34} {output}  {said}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
