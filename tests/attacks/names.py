"""Names that mean something to a shell, to ffmpeg or to nobody: a name is only a name."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from attacks.clips import FFV1, drawn_clip, ffmpeg
from attacks.commands import Said, inside, vqcast
from attacks.count import Count, drawn, scratch
from attacks.editions import houses

NAMES = [
    b"-i.mkv",
    b"-y",
    b"--help",
    b"a:b.mkv",
    b"concat:pattern.mkv",
    b"pipe:0",
    b"http:__x.mkv",
    b"file:file.mkv",
    b"subfile,,start,0,end,0,,:x.mkv",
    b"a,b.mkv",
    b"it's.mkv",
    b'"quoted".mkv',
    b"a%03d.mkv",
    b"%s%n.mkv",
    b"two words .mkv",
    b" .mkv",
    b"new\nline.mkv",
    b"tab\tand\rreturn.mkv",
    b"bell\x07and\x1b[31mred.mkv",
    b"back\\slash.mkv",
    b"[s];nullsink;[x].mkv",
    b"[bold]markup[red].mkv",
    b"$(touch x)`touch y`.mkv",
    b"a;b&c|d>e<f*g?h~.mkv",
    b"?query=1#hash.mkv",
    b"@response.mkv",
    b"=cmd.mkv",
    b"...mkv",
    b".hidden",
    b"\xc3\xbcn\xc3\xaf-\xe6\xbc\xa2\xe5\xad\x97-\xf0\x9f\x98\x80.mkv",
    "\u202egnp.mkv".encode(),
    b"bad\xff\xfeutf8.mkv",
    b"x" * 255,
    b"x" * 251 + b".mkv",
]
QUALITY = ("--encoder", "libx264", "--preset", "ultrafast", "--cq", "40")


def names(n: int, rng: random.Random) -> Count:
    """Each name as encode, as reference, as source and as the corpus's own, by real commands."""
    count = Count()
    pattern = drawn_clip("testsrc2=s=128x96", 4, "names.mkv")
    blurred = ffmpeg("-i", pattern, "-vf", "boxblur=2:1", *FFV1, output=pattern.parent / "blur.mkv")
    roles = (_as_encode, _as_reference, _as_source, _as_corpus)
    cases = [(name, role) for name in NAMES for role in roles]
    for name, role in drawn(cases, min(n, len(cases)), rng):
        with scratch() as folder, inside(folder):
            what = f"{role.__name__} {name[:40]!r}"
            try:
                outcome = role(os.fsdecode(name), pattern, blurred)
            except Exception as error:
                count.fail(f"{what}: {type(error).__name__}: {error}")
                continue
            strangers = set(os.listdir(os.fsencode(folder))) - {name, *_beside(name)}
            if strangers or not outcome:
                count.fail(f"{what}: made {strangers}" if strangers else what)
            else:
                count.note(outcome)
    return count


def _beside(name: bytes) -> set[bytes]:
    """What a build makes, in a corpus of that name or in ``c.jsonl``."""
    made = set()
    for stem in (name, b"c"):
        corpus = stem + b".jsonl"
        made |= {corpus, corpus + b".cells", b"." + corpus + b".lock", stem + b".provenance.json"}
    return made


def _judged(said: Said, name: str, right: bool) -> str:
    if said.code == 0:
        return "used" if right else ""
    bad = "\udcff" in name or len(os.fsencode(name)) > 240 or name == ".hidden"
    return "refused" if bad and said.refused else ""


def _predict(reference: Path | str, encode: Path | str) -> Said:
    words = ("predict", *QUALITY, "--registry", houses()[0].registry, "--json")
    return vqcast(*words, "--", reference, encode)


def _scored(said: Said) -> bool:
    return said.code == 0 and 0 < json.loads(said.out)["pooled"]["measured"] < 90


def _as_encode(name: str, pattern: Path, blurred: Path) -> str:
    Path(name).write_bytes(blurred.read_bytes())
    said = _predict(pattern, name)
    return _judged(said, name, _scored(said))


def _as_reference(name: str, pattern: Path, blurred: Path) -> str:
    Path(name).write_bytes(pattern.read_bytes())
    said = _predict(name, blurred)
    return _judged(said, name, _scored(said))


def _as_source(name: str, pattern: Path, _: Path) -> str:
    Path(name).write_bytes(pattern.read_bytes())
    said = vqcast("corpus", "build", *QUALITY, "--no-v1", "--out", "c.jsonl", "--", name)
    if said.code:
        return _judged(said, name, False)
    rows = [json.loads(line) for line in Path("c.jsonl").read_bytes().splitlines()]
    return "used" if len(rows) == 4 and {row["src"] for row in rows} == {Path(name).stem} else ""


def _as_corpus(name: str, pattern: Path, _: Path) -> str:
    out = f"{name}.jsonl"
    said = vqcast("corpus", "build", *QUALITY, "--no-v1", f"--out={out}", "--", pattern)
    if said.code:
        return _judged(said, out, False)
    return "used" if len(Path(out).read_bytes().splitlines()) == 4 else ""
