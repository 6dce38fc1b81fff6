"""A film tuned and encoded: how long, and how right, against the way of ab-av1 and a plain encode.

    python bench/film.py --titles DIR --evidence docs/evidence/film.json
    python bench/film.py --report docs/evidence/film.json --markdown docs/performance.md

The titles of DIR, scaled to 1080p, are joined into a short film, and that again and again into one
of an hour, by stream copy. For each encoder in turn: `vqcast tune`, the other way, one plain encode
and `vqcast encode`, each on all cores, none of them with anything kept from before. Afterwards both
answers are encoded whole and scored, which tells who was right; these scores are kept in --work.
The other way is written from its description: samples of 20 s cut without decoding, each probe
encoded to a file and then scored on every frame.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tune_rules as rules

from vqcast.durable.files import sha256_file, write_atomic
from vqcast.media import argv, inputs, measure
from vqcast.media.encoders import encoder
from vqcast.media.source import probe
from vqcast.media.threads import usable_cores
from vqcast.media.tool import find_ffmpeg
from vqcast.pages import blocks

TARGET = 93.0
PRESETS = {"libsvtav1": "10", "libx264": "veryfast", "libx265": "superfast"}
GRIDS = {"libsvtav1": (5, 70, 0.25), "libx264": (10, 46, 0.1), "libx265": (10, 46, 0.1)}
"""What the other way searches: lowest and highest CRF, and step."""
SAMPLE_S, EACH_S, WHOLE_SHARE = 20, 12 * 60, 0.85
"""Its samples: seconds of one, of a film for each, and the share from which all is encoded."""
LEAST_SIZE = (1728, 972)
"""Smaller pictures it scales up to 1080p for scoring."""
FPS, SUFFIXES, TITLE_S, HOUR_S = 25, (".mp4", ".mkv", ".webm"), 30, 3600
TRUTH_EVERY = 3
"""Of a whole encode, every nth frame is scored to tell who was right."""
FIRST_S = 5 * 60
"""Seconds of the hour whose plain encode is timed, and scaled."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command took, its children included."""

    wall_s: float
    cpu_s: float
    first_s: float
    """Until its first line."""
    lines: list[str]

    def row(self) -> Row:
        """Times, and how busy the cores were."""
        busy = self.cpu_s / self.wall_s / usable_cores()
        return {"wall_s": round(self.wall_s, 2), "cpu_s": round(self.cpu_s, 2),
                "busy": round(busy, 3)}  # fmt: skip


def run(command: Sequence[object], where: Path | None = None) -> Ran:
    """Run ``command``, and time it. Raises SystemExit where it fails."""
    words = [str(word) for word in command]
    began, first, lines = time.monotonic(), math.nan, []
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, cwd=where
        )
        assert process.stdout is not None
        for line in process.stdout:
            first = first if lines else time.monotonic() - began
            lines.append(line.decode())
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3):
            said.seek(0)
            raise SystemExit(f"{' '.join(words)}\n{said.read().decode()[-2000:]}")
    return Ran(wall, usage.ru_utime + usage.ru_stime, first, lines)


class Bench:
    """The films, and what is done with them."""

    def __init__(self, work: Path) -> None:
        self.work, self.ffmpeg = work.absolute(), find_ffmpeg()
        self.start = [self.ffmpeg.path, "-v", "error", "-nostdin", "-y"]

    def film(self, titles: Path, seconds: int) -> Path:
        """The titles joined once, cut at ``seconds`` each."""
        out = self.work / "short.mkv"
        if out.exists():
            return out
        parts = []
        for path in sorted(path for path in titles.iterdir() if path.suffix in SUFFIXES):
            parts.append(self.work / f"{path.stem}.part.mkv")
            shape = f"setpts=N/{FPS}/TB,scale=1920:1080:flags=bicubic,setsar=1,format=yuv420p"
            run([*self.start, "-i", path, "-map", "0:V:0", "-vf", shape, "-r", FPS, "-t", seconds,
                 "-c:v", "libx264", "-preset", "veryfast", "-crf", "12", parts[-1]])  # fmt: skip
        self._join(parts, out)
        for part in parts:
            part.unlink()
        return out

    def hour(self, short: Path, seconds: float) -> Path:
        """The short film again and again."""
        out = self.work / "hour.mkv"
        if not out.exists():
            self._join([short] * math.ceil(HOUR_S / seconds), out, HOUR_S)
        return out

    def _join(self, parts: Sequence[Path], out: Path, seconds: int | None = None) -> None:
        listed = self.work / "parts.txt"
        listed.write_text("".join(f"file '{part}'\n" for part in parts))
        limit = [] if seconds is None else ["-t", seconds]
        run([*self.start, "-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", *limit, out])

    def tune(self, film: Path, name: str, cache: Path) -> Row:
        """`vqcast tune` as a user runs it, with nothing kept from before."""
        done = run([*_vqcast("tune", film, name), "--cache", cache, "--json"])
        result = json.loads(done.lines[-1])
        return done.row() | {
            "first_event_s": round(done.first_s, 2), "crf": result["crf"],
            "said": result["score"], "lower": result["lower"], "upper": result["upper"],
            "probes": len(result["probes"]), "frames_encoded": result["frames_encoded"],
        }  # fmt: skip

    def first_event(self, film: Path, name: str, *, cold: bool) -> float:
        """Seconds until `vqcast tune` says something, of a file that memory holds or not."""
        if cold:
            with film.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory(dir=self.work) as cache,
            subprocess.Popen(
                [str(word) for word in (*_vqcast("tune", film, name), "--cache", cache, "--json")],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            ) as process,
        ):  # fmt: skip
            assert process.stdout is not None
            process.stdout.readline()
            took = time.monotonic() - began
            process.terminate()
            process.wait()
        return round(took, 2)

    def encode(self, film: Path, name: str, cache: Path, tuned: Row) -> Row:
        """`vqcast encode` after that tuning; ``in_all`` is both together."""
        out = self.work / "encoded.mkv"
        out.unlink(missing_ok=True)
        done = run([*_vqcast("encode", film, name), "-o", out, "--cache", cache, "--json"])
        made = json.loads(done.lines[-1])
        return done.row() | {
            "in_all_wall_s": round(done.wall_s + tuned["wall_s"], 2), "score": made["score"],
            "bytes": made["video_bytes"], "measured": made.get("measured"),
            "half_width": made.get("score_half_width"),
        }  # fmt: skip

    def plain(self, film: Path, name: str, crf: float, seconds: float | None = None) -> Row:
        """One encode by ffmpeg with the threads that the encoder itself chooses."""
        out = self.work / "plain.mkv"
        limit = [] if seconds is None else ["-t", seconds]
        words = [*_encoder(name, crf), *(["-pix_fmt", "yuv420p"])]
        row = run([*self.start, "-i", film, *limit, "-map", "0:v", *words, out]).row()
        return row | {"crf": crf, "bytes": out.stat().st_size}

    def rival(self, film: Path, name: str, seconds: float) -> Row:
        """The other way's search."""
        total: list[Ran] = []
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            samples = self._samples(film, seconds, Path(folder), total)
            seen: dict[float, float] = {}

            def score(crf: float) -> float:
                found = [self._probe(each, name, crf, Path(folder), total) for each in samples]
                seen[crf] = sum(mean for mean, _ in found) / len(found)
                frames.append(sum(count for _, count in found))
                return seen[crf]

            frames: list[int] = []
            began = time.monotonic()
            low, high, step = GRIDS[name]
            answer = rules.ab_av1(score, TARGET, low, high, step)
            wall = time.monotonic() - began + total[0].wall_s
        every = Ran(wall, sum(each.cpu_s for each in total), math.nan, [])
        return every.row() | {
            "crf": answer, "said": None if answer is None else round(seen[answer], 3),
            "probes": len(seen), "frames_encoded": sum(frames), "samples": len(samples),
        }  # fmt: skip

    def _samples(self, film: Path, seconds: float, folder: Path, total: list[Ran]) -> list[Path]:
        count = math.ceil(seconds / EACH_S)
        if count * SAMPLE_S >= WHOLE_SHARE * seconds:
            total.append(Ran(0.0, 0.0, math.nan, []))
            return [film]
        made = []
        for number in range(count):
            at = (seconds - count * SAMPLE_S) / (count + 1) * (number + 1) + SAMPLE_S * number
            made.append(folder / f"sample{number}.mkv")
            total.append(
                run([*self.start, "-ss", f"{at:.3f}", "-i", film, "-map", "0:v", "-c", "copy",
                     "-frames:v", SAMPLE_S * FPS, made[-1]])
            )  # fmt: skip
        return made

    def _probe(
        self, sample: Path, name: str, crf: float, folder: Path, total: list[Ran]
    ) -> tuple[float, int]:
        made, log = folder / "probe.mkv", folder / argv.VMAF_LOG
        deep = name == "libsvtav1"
        pix_fmt = "yuv420p10le" if deep else "yuv420p"
        words = [*_encoder(name, crf), "-pix_fmt", pix_fmt]
        total.append(run([*self.start, "-i", sample, "-map", "0:v", *words, made]))
        shape = f"format={pix_fmt}"
        if _width(sample) < LEAST_SIZE[0]:
            shape += ",scale=1920:1080:flags=bicubic"
        graph = (
            f"[0:v:0]setpts=PTS-STARTPTS,{shape}[d];[1:v:0]setpts=PTS-STARTPTS,{shape}[r];"
            f"[d][r]libvmaf=shortest=true:ts_sync_mode=nearest:n_threads={usable_cores()}"
            f":log_fmt=json:log_path={argv.VMAF_LOG}"
        )
        # Titles have other colour tags: filters made again there would begin the log anew.
        reading = ["-reinit_filter", 0, "-r", FPS]
        total.append(
            run([*self.start, *reading, "-i", made, *reading, "-i", sample, "-filter_complex",
                 graph, "-f", "null", "-"], folder)
        )  # fmt: skip
        found = json.loads(log.read_text())
        frames = probe(sample, self.ffmpeg).frames
        if len(found["frames"]) != frames:
            raise SystemExit(f"{sample}: {len(found['frames'])} of {frames} frames were scored")
        return found["pooled_metrics"]["vmaf"]["mean"], frames

    def truth(self, film: Path, name: str, crf: float, *, deep: bool) -> float:
        """The film's mean VMAF at ``crf``, all of it encoded, kept once it is known."""
        path = self.work / "truth.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        key = f"{film.stem} {sha256_file(film)[:12]} {name} {PRESETS[name]} {crf:g} {deep}"
        if key not in known:
            known[key] = self._scored(film, name, crf, deep=deep)
            write_atomic(path, (json.dumps(known, indent=1) + "\n").encode())
        return float(known[key])

    def _scored(self, film: Path, name: str, crf: float, *, deep: bool) -> float:
        source = probe(film, self.ffmpeg)
        graph = argv.score_filter(
            10 if deep else 8, source.frames, every=TRUTH_EVERY,
            threads=usable_cores(), sides=(f"[{argv.LOOPBACK}]", source.video.of(0)),
            hertz=argv.LOOPBACK_HERTZ,
        )  # fmt: skip
        words = [*_encoder(name, crf), "-pix_fmt", "yuv420p10le" if deep else "yuv420p"]
        read = inputs.read(source.path, threads=usable_cores())
        with tempfile.TemporaryDirectory() as folder:
            command = argv.encode_and_score(
                self.ffmpeg.path, read, None, words, graph, video=source.video
            )
            run(command, Path(folder))
            log = (Path(folder) / argv.VMAF_LOG).read_bytes()
        columns = measure.parse_log(
            log, source.frames, {"vmaf": "vmaf"}, what=film.name, every=TRUTH_EVERY
        )
        return round(float(columns["vmaf"].mean()), 4)


def _encoder(name: str, crf: float) -> list[str]:
    words = ["-c:v", name, encoder(name).preset_option or "-preset", PRESETS[name]]
    if name == "libsvtav1" and crf != int(crf):  # -crf is a whole number there
        return [*words, "-svtav1-params", f"crf={crf:g}"]
    quiet = ["-x265-params", "log-level=error"] if name == "libx265" else []
    return [*words, "-crf", f"{crf:g}", *quiet]


def _vqcast(command: str, film: Path, name: str) -> list[object]:
    words = [sys.executable, "-m", "vqcast.cli.main", command, film, "--encoder", name]
    return [*words, "--preset", PRESETS[name], "--target", TARGET]


def _width(path: Path) -> int:
    return probe(path, find_ffmpeg()).width


def race(bench: Bench, film: Path, seconds: float, only: Sequence[str], keep: Any) -> None:
    """The ways of the short film, in turn for each encoder."""
    for name in only:
        with tempfile.TemporaryDirectory(dir=bench.work) as cache:
            row: Row = {"load": round(os.getloadavg()[0], 2),
                        "tune": bench.tune(film, name, Path(cache))}  # fmt: skip
            row["rival"] = bench.rival(film, name, seconds)
            row["plain"] = bench.plain(film, name, row["tune"]["crf"])
            row["encode"] = bench.encode(film, name, Path(cache), row["tune"])
        keep("short", name, row)


def long_race(bench: Bench, film: Path, only: Sequence[str], keep: Any) -> None:
    """The hour: how soon it says something, and what an answer takes."""
    for name in only:
        with tempfile.TemporaryDirectory(dir=bench.work) as cache:
            row: Row = {"load": round(os.getloadavg()[0], 2)}
            row["first_event"] = {
                "cold_s": bench.first_event(film, name, cold=True),
                "warm_s": bench.first_event(film, name, cold=False),
            }
            row["tune"] = bench.tune(film, name, Path(cache))
            row["plain"] = bench.plain(film, name, row["tune"]["crf"], FIRST_S)
            row["plain"]["scaled_wall_s"] = round(row["plain"]["wall_s"] * HOUR_S / FIRST_S, 1)
        keep("hour", name, row)


def judge(bench: Bench, film: Path, document: Row, keep: Any) -> None:
    """What the short film has at both answers."""
    for name, row in list(document["short"].items()):
        for which in ("tune", "rival"):
            if row[which]["crf"] is not None:
                deep = which == "rival" and name == "libsvtav1"
                row[which]["whole"] = bench.truth(film, name, row[which]["crf"], deep=deep)
        keep("short", name, row)


def _cells(row: Row, tuned: bool) -> str:
    """Answer and truth."""
    if row["crf"] is None:
        return "none"
    whole = f"{row['whole']:.2f}" if "whole" in row else "not measured"
    error = f" ({row['whole'] - row['said']:+.2f})" if "whole" in row else ""
    interval = f" ({row['lower']:.2f}..{row['upper']:.2f})" if tuned else ""
    return f"CRF {row['crf']:g} | {row['said']:.2f}{interval} | {whole}{error}"


def report(document: Row) -> str:
    """The page's block."""
    told = document["machine"]
    lines = [
        f"Measured on {told['system']}, {told['cores']} cores, target {TARGET:g}. The short film "
        f"has {document['film']['frames']:,} frames of 1080p in {document['film']['titles']} "
        "titles, the long one repeats them for 60 minutes. Each way was run once, alone on the "
        "machine, one after the other; busy: processor time over wall time and cores.",
        "",
        "| encoder | way | wall | processor time | busy | probes | frames encoded | answer "
        "| it said | the whole film has |",
        "|---|---|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for name, row in document["short"].items():
        which = f"{name} {PRESETS[name]}"
        for way, label in (("tune", "`vqcast tune`"), ("rival", "20 s samples")):
            r = row[way]
            lines.append(
                f"| {which} | {label} | {r['wall_s']:.0f} s | {r['cpu_s']:.0f} s | {r['busy']:.0%} "
                f"| {r['probes']} | {r['frames_encoded']:,} | {_cells(r, way == 'tune')} |"
            )
        for way, label in (("plain", "plain encode"), ("encode", "`vqcast encode`, tuned before")):
            r = row[way]
            found = f"{r['score']:.2f} measured" if "score" in r else ""
            lines.append(
                f"| {which} | {label} | {r['wall_s']:.0f} s | {r['cpu_s']:.0f} s | {r['busy']:.0%} "
                f"| | | | {found} | |"
            )
    lines += ["", "| 60 minutes | first event, file not in memory | in memory | `vqcast tune` "
              f"| busy | probes | frames encoded | a plain encode, from its first {FIRST_S // 60} "
              "minutes |",
              "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name, row in document["hour"].items():
        tuned = row["tune"]
        lines.append(
            f"| {name} {PRESETS[name]} | {row['first_event']['cold_s']:.1f} s "
            f"| {row['first_event']['warm_s']:.1f} s | {tuned['wall_s']:.0f} s "
            f"| {tuned['busy']:.0%} | {tuned['probes']} | {tuned['frames_encoded']:,} "
            f"| {row['plain']['scaled_wall_s']:.0f} s |"
        )
    return "\n".join([*lines, "", *goals(document)]) + "\n"


def goals(document: Row) -> list[str]:
    """What was asked, and what was measured."""
    lines = ["| goal | measured | |", "|---|---|---|"]

    def goal(words: str, values: dict[str, float], most: float, form: str) -> None:
        if values:
            told = ", ".join(f"{name} {value:{form}}" for name, value in values.items())
            met = "met" if all(value <= most for value in values.values()) else "not met"
            lines.append(f"| {words} | {told} | {met} |")

    short, hour = document["short"], document["hour"]
    goal("first event of 60 minutes within 5 s",
         {f"{name}, {state} file": row["first_event"][f"{state}_s"]
          for name, row in hour.items() for state in ("cold", "warm")}, 5.0, ".1f")  # fmt: skip
    goal("tune at most 0.4 of the samples' wall, short film",
         {name: row["tune"]["wall_s"] / row["rival"]["wall_s"] for name, row in short.items()},
         0.4, ".2f")  # fmt: skip
    goal("tune at most 0.25 of a plain encode, 60 minutes",
         {name: row["tune"]["wall_s"] / row["plain"]["scaled_wall_s"]
          for name, row in hour.items()}, 0.25, ".2f")  # fmt: skip
    goal("whole film within 0.3 of what was said",
         {name: abs(row["tune"]["whole"] - row["tune"]["said"])
          for name, row in short.items() if "whole" in row["tune"]}, 0.3, ".2f")  # fmt: skip
    goal("the same of the samples",
         {name: abs(row["rival"]["whole"] - row["rival"]["said"])
          for name, row in short.items() if "whole" in row["rival"]}, 0.3, ".2f")  # fmt: skip
    goal("encode and its measured score at most 1.35 of a plain encode, tuned before",
         {name: row["encode"]["wall_s"] / row["plain"]["wall_s"] for name, row in short.items()},
         1.35, ".2f")  # fmt: skip
    goal("the same with the tuning",
         {name: row["encode"]["in_all_wall_s"] / row["plain"]["wall_s"]
          for name, row in short.items()}, 1.35, ".2f")  # fmt: skip
    goal("idle share of the cores while tuning at most 10 %",
         {name: 1 - row["tune"]["busy"] for name, row in short.items()}, 0.1, ".0%")  # fmt: skip
    return lines


def main() -> None:
    """Measure, and write evidence and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--titles", type=Path, help="folder of videos")
    parser.add_argument("--seconds", type=int, default=TITLE_S, help="most of one title")
    parser.add_argument("--only", action="append", choices=["films", "short", "hour", "truth"])
    parser.add_argument("--encoder", action="append", choices=list(PRESETS))
    parser.add_argument("--work", type=Path, default=Path("runs/film"))
    parser.add_argument("--evidence", type=Path, help="file that rows are added to")
    parser.add_argument("--report", type=Path, help="evidence that is there")
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    path = given.report or given.evidence
    document: Row = {"schema_version": 1, "short": {}, "hour": {}}
    if path is not None and path.exists():
        document = json.loads(path.read_text())

    def keep(part: str, name: str, row: Row) -> None:
        document[part][name] = row
        print(part, name, json.dumps(row), file=sys.stderr, flush=True)
        if given.evidence:
            write_atomic(given.evidence, (json.dumps(document, indent=1) + "\n").encode())

    if given.report is None:
        measured(given, document, keep)
    text = report(document)
    print(text)
    if given.markdown:
        blocks.write(given.markdown, "bench/film.py", text, heading="## A film")


def measured(given: argparse.Namespace, document: Row, keep: Any) -> None:
    """Do the parts that were asked for."""
    given.work.mkdir(parents=True, exist_ok=True)
    bench, parts = Bench(given.work), given.only or ["films", "short", "hour", "truth"]
    short = bench.film(given.titles, given.seconds)
    frames = probe(short, bench.ffmpeg).frames
    titles = sum(path.suffix in SUFFIXES for path in given.titles.iterdir())
    document["film"] = {"frames": frames, "titles": titles}
    document["machine"] = {"system": f"{platform.system()} {platform.machine()}",
                           "cores": usable_cores()}  # fmt: skip
    names = given.encoder or list(PRESETS)
    if "short" in parts:
        race(bench, short, frames / FPS, names, keep)
    if "hour" in parts or "films" in parts:
        hour = bench.hour(short, frames / FPS)
        if "hour" in parts:
            long_race(bench, hour, names, keep)
    if "truth" in parts:
        judge(bench, short, document, keep)


if __name__ == "__main__":
    main()
