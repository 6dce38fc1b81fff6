"""Cut the scenes of data/scenes out of longer titles: 48 frames each, stored losslessly.

    python -m tools.cut_scenes TITLES [TITLES ...] --scenes data/scenes/SCENES.tsv --out CLIPS

Each TITLES folder has a MANIFEST.tsv with columns file, group, origin, licence and, if known, kind
and the licence's evidence; CLIPS gets the clips and a manifest for `vqcast corpus build`.
Clips that are there already are kept.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
from pathlib import Path

from vqcast.media.source import probe
from vqcast.media.tool import find_ffmpeg

FRAMES = 48
LOSSLESS = ["-c:v", "libx264", "-preset", "veryfast", "-qp", "0", "-threads", "1"]
LOSSLESS_DEEP = ["-c:v", "ffv1", "-level", "3"]
FIELDS = ("file", "group", "content", "origin", "licence", "licence_evidence")


def titles(folders: list[Path]) -> dict[str, tuple[Path, dict[str, str]]]:
    """File name -> its path, and its row of the manifest."""
    found = {}
    for folder in folders:
        with (folder / "MANIFEST.tsv").open(newline="") as text:
            for row in csv.DictReader(text, delimiter="\t"):
                found[row["file"]] = (folder / row["file"], row)
    return found


def cut(title: Path, start_s: str, out: Path) -> None:
    """Write ``FRAMES`` frames of ``title`` from ``start_s``, in 4:2:0 at its own depth.

    Raises CalledProcessError where ffmpeg fails, SystemExit where frames are missing.
    """
    tool = find_ffmpeg()
    deep = probe(title, tool).depth > 8
    words = (
        [*LOSSLESS_DEEP, "-pix_fmt", "yuv420p10le"] if deep else [*LOSSLESS, "-pix_fmt", "yuv420p"]
    )
    subprocess.run(
        [tool.path, "-v", "error", "-nostdin", "-y", "-ss", start_s, "-i", title, "-map", "0:V:0",
         "-frames:v", str(FRAMES), "-fps_mode", "passthrough", "-map_metadata", "-1",
         "-map_chapters", "-1", "-fflags", "+bitexact", *words, out],
        check=True,
    )  # fmt: skip
    frames = probe(out, tool).frames
    if frames != FRAMES:
        raise SystemExit(f"{title}: {frames} frames from {start_s} s, {FRAMES} are needed")


def main() -> None:
    """Cut every scene, and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("titles", type=Path, nargs="+")
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    known, rows = titles(given.titles), []
    with given.scenes.open(newline="") as text:
        for scene in csv.DictReader(text, delimiter="\t"):
            path, row = known[scene["file"]]
            out = given.out / f"{scene['clip']}.mkv"
            if not out.exists():
                cut(path, scene["start_s"], out)
            evidence = row.get("licence_evidence") or row.get("licence evidence") or ""
            origin = f"{row['origin']} [ss={scene['start_s']}]"
            content = row.get("kind") or row["group"].replace("_", " ")
            values = (out.name, row["group"], content, origin, row["licence"], evidence)
            rows.append(dict(zip(FIELDS, values, strict=True)))
    with (given.out / "MANIFEST.tsv").open("w", newline="") as text:
        writer = csv.DictWriter(text, FIELDS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
