"""Netflix's bootstrap model ``vmaf_b_v0.6.3`` beside our intervals, run by real libvmaf.

ffmpeg's filter loads single models only, and this one is a collection: one
model fitted on all subjective data and 20 on resamples of it. libvmaf carries
the collection in its own bytes, so its members are taken from the ffmpeg at
hand and given to the filter one by one; mean, standard deviation and the 2.5
and 97.5 % percentiles over the 20 are then formed as libvmaf forms them. From the repository::

    python -m studies.bootstrap --registry model/tiny --corpus CORPUS --clips DIR
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from studies.command import command
from vqcast import extras
from vqcast.cli import options, render
from vqcast.corpus.checking import SHAPE_FRAME
from vqcast.corpus.table import Corpus, load
from vqcast.documents import Document, from_bytes, to_bytes
from vqcast.durable.files import read_regular, write_atomic
from vqcast.errors import InputError, ToolFailure, ToolUnavailable
from vqcast.evidence.conformal import Array, Codes, OutOfFold
from vqcast.evidence.coverage import Coverage, judge_intervals, width_at_coverage
from vqcast.evidence.folder import in_registry
from vqcast.evidence.methods import conformal_method, left_out
from vqcast.interval import bounds
from vqcast.media import argv, inputs, measure
from vqcast.media.complaint import cause
from vqcast.media.encoders import encoder
from vqcast.media.run import run
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.metric import TEACHER
from vqcast.pages import blocks, template
from vqcast.regressor.dataset import codes_of, out_of_fold, trainable
from vqcast.regressor.spec import spec_of
from vqcast.serve.folder import Folder, packaged_registry

MODEL = "vmaf_b_v0.6.3"
LEVEL = 0.9
_MARK = b'"BOOTSTRAP_LIBSVMNUSVR"'
_MAX_MODEL_BYTES = 1 << 20
_MAX_FFMPEG_BYTES = 1 << 30
_SUFFIXES = (".mkv", ".mp4", ".y4m", ".mov", ".webm")
_DEADLINE_S = 900.0
_SEED = 20260103
_Z = 1.6448536269514722
"""Normal quantile of a 90 % interval."""


class BootstrapReport(Document, frozen=True, kw_only=True):
    """Both on the same frames of the same cells, against VMAF v0.6.1 measured in the same pass."""

    command: str
    model: str
    """The ensemble whose intervals are compared."""
    corpus_sha256: str
    cells: int
    sources: int
    largest_difference: float
    """Between the corpus's VMAF and the one measured now, points."""
    bias: float
    """Mean of the bootstrap model's score less VMAF v0.6.1, points."""
    netflix_90: Coverage
    """mean -+ 1.645 standard deviations over the 20 models."""
    netflix_95: Coverage
    """2.5 to 97.5 % percentile over the 20 models: libvmaf's own interval."""
    netflix_width: float
    """Once one factor has brought its coverage to 90 %."""
    ours_90: Coverage | None
    ours_width: float


def members(tool: Tool) -> list[bytes]:
    """The collection's models as JSON, the one on all data first.

    Raises ToolUnavailable where this ffmpeg's libvmaf holds no such collection.
    """
    data = read_regular(tool.path, max_bytes=_MAX_FFMPEG_BYTES)
    at = data.find(_MARK)
    while at >= 0:
        start = data.rfind(b"\0", max(0, at - _MAX_MODEL_BYTES), at) + 1
        end = data.find(b"\0", at, at + _MAX_MODEL_BYTES)
        try:
            found = json.loads(data[start:end])
        except ValueError:
            found = None
        if isinstance(found, dict) and {"0", "1", "2"} <= set(found) and _is_integer(found["0"]):
            return [json.dumps(found[key]).encode() for key in sorted(found, key=int)]
        at = data.find(_MARK, end if end > at else at + 1)
    raise ToolUnavailable(f"{tool.path}: its libvmaf holds no {MODEL}")


def _is_integer(model: Any) -> bool:
    """Whether a model reads the integer features, as ``vmaf_b_v0.6.3`` does."""
    try:
        return "VMAF_integer_feature_adm2_score" in model["model_dict"]["feature_names"]
    except (KeyError, TypeError):
        return False


def compare(
    root: Path,
    corpus: Corpus,
    model_id: str,
    folder: Path,
    *,
    cells: int,
    note: Callable[[str], None] = lambda _: None,
) -> BootstrapReport:
    """Encode and score ``cells`` cells of the corpus again, with the bootstrap model too.

    Sources are looked for in ``folder`` by their stem. Raises InputError where
    none is there, ToolFailure where an encode or a score fails.
    """
    if corpus.shape != SHAPE_FRAME:
        raise InputError(f"{corpus.path}: holds pooled rows, frames are needed")
    files = {
        path.stem: path for path in sorted(folder.glob("*")) if path.suffix.lower() in _SUFFIXES
    }
    model = spec_of(model_id)
    oof = out_of_fold(in_registry(Folder(root).files, model_id), corpus, model)
    corpus = trainable(corpus, model).corpus
    chosen = _sample(corpus, oof, set(files), cells)
    if not chosen:
        raise InputError(f"{folder}: holds no source of {corpus.path.name}")
    tool = find_ffmpeg()
    models = members(tool)
    rows, truth, scores = [], [], []
    for index, cell_rows in enumerate(chosen):
        first = int(cell_rows[0])
        name = f"{corpus.src[first]} {corpus.encoder[first]} {corpus.cq[first]:g}"
        note(f"{MODEL}: cell {index + 1} of {len(chosen)}: {name}")
        source = probe(files[corpus.src[first]], tool, frames=len(cell_rows))
        measured = _measure(source, corpus, first, tool, models)
        rows.append(cell_rows)
        truth.append(measured[0])
        scores.append(measured[1:])
    return _judge(
        model_id, corpus, oof, np.concatenate(rows), np.concatenate(truth), np.hstack(scores)
    )


def _sample(corpus: Corpus, oof: OutOfFold, names: set[str], count: int) -> list[Codes]:
    """Rows of ``count`` cells in frame order, spread over the sources that are there."""
    order = np.random.default_rng(_SEED).permutation(oof.n_cells)
    by_source: dict[str, list[Codes]] = {}
    for cell in order:
        rows = np.flatnonzero(oof.cell == cell)
        src = corpus.src[int(rows[0])]
        if src in names:
            ranked = rows[np.argsort(corpus.frame_index[rows], kind="stable")]
            by_source.setdefault(src, []).append(ranked)
    turns = max((len(each) for each in by_source.values()), default=0)
    dealt = [by_source[src][i] for i in range(turns) for src in sorted(by_source)
             if i < len(by_source[src])]  # fmt: skip
    return dealt[:count]


def _measure(
    source: Source, corpus: Corpus, row: int, tool: Tool, models: Sequence[bytes]
) -> Array:
    """VMAF v0.6.1 and every model's score, ``[1 + models, frames]``."""
    name = corpus.encoder[row]
    entry = encoder(name)
    depth = entry.scoring_depth(source.depth)
    what = f"{source.name} {name} {corpus.cq[row]:g}"
    with tempfile.TemporaryDirectory(prefix="vqcast-") as made:
        folder = Path(made)
        encoded = measure.encode(
            source,
            name,
            corpus.preset[row] or entry.default_preset,
            float(corpus.cq[row]),
            tool,
            folder / "cell.mp4",
        )
        for index, data in enumerate(models):
            write_atomic(folder / f"b{index:02d}.json", data)
        finished = run(
            argv.score(
                tool.path,
                inputs.read(encoded.path),
                inputs.read(source.path),
                score_filter(depth, source.frames, len(models)),
            ),
            cwd=folder,
            deadline_s=_DEADLINE_S,
        )
        if finished.returncode or finished.stderr.strip():
            raise ToolFailure(f"{what}: ffmpeg said: {cause(finished.stderr)}")
        log = read_regular(folder / argv.VMAF_LOG)
    metrics = {"vmaf": "vmaf"} | {f"b{i:02d}": f"b{i:02d}" for i in range(len(models))}
    columns = measure.parse_log(log, source.frames, metrics, what=what)
    return np.stack([columns[key] for key in metrics])


def score_filter(depth: int, frames: int, models: int) -> str:
    """The scoring graph of the corpus, the collection's members beside the teacher."""
    teacher = f"version={TEACHER}\\:name=vmaf"
    beside = "|".join(f"path=b{i:02d}.json\\:name=b{i:02d}" for i in range(models))
    return argv.score_filter(depth, frames).replace(teacher, f"{teacher}|{beside}", 1)


def _judge(
    model_id: str, corpus: Corpus, oof: OutOfFold, rows: Codes, truth: Array, scores: Array
) -> BootstrapReport:
    resampled = scores[1:]
    mean, std = resampled.mean(axis=0), resampled.std(axis=0)
    group = codes_of(oof.group[rows].tolist())
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    method = conformal_method(oof)
    centre = method.centre(range(oof.n_groups))[rows]
    ours = left_out(oof, method, (LEVEL,)).get(("frame", LEVEL))
    return BootstrapReport(
        command="",
        model=model_id,
        corpus_sha256=corpus.sha256,
        cells=len(np.unique(oof.cell[rows])),
        sources=len({corpus.src[int(row)] for row in rows}),
        largest_difference=float(np.max(np.abs(truth - corpus.vmaf[rows]))),
        bias=float(np.mean(mean - truth)),
        netflix_90=judge_intervals(*bounds(mean, _Z * std), truth, group, LEVEL),
        netflix_95=judge_intervals(low, high, truth, group, 0.95),
        netflix_width=width_at_coverage(mean, std, truth, group, LEVEL),
        ours_90=None
        if ours is None
        else judge_intervals(ours.lower[rows], ours.upper[rows], truth, group, LEVEL),
        ours_width=width_at_coverage(centre, method.scale[rows], truth, group, LEVEL),
    )


def page(report: BootstrapReport) -> str:
    """The comparison as a section of docs/evaluation.md."""
    return template.render("bootstrap.md.j2", "studies", report=report, model=MODEL)


def main(
    corpus: Annotated[
        Path | None,
        typer.Option(help="The corpus. Without it the section is written again from the report."),
    ] = None,
    clips: Annotated[
        Path, typer.Option("--clips", help="The corpus's source videos, found by their stem.")
    ] = Path("clips"),
    registry: options.RegistryFolder = None,
    model: options.ModelId = options.DEFAULT_MODEL,
    cells: Annotated[int, typer.Option(min=1, help="How many cells to measure again.")] = 24,
    out: Annotated[Path, typer.Option("--out", help="The report to write.")] = Path(
        "docs/evidence/bootstrap.json"
    ),
    markdown: Annotated[
        Path, typer.Option("--markdown", help="The page whose block is written.")
    ] = Path("docs/evaluation.md"),
) -> None:
    """Compare an ensemble's intervals with Netflix's bootstrap model, on real encodes."""
    if corpus is None:
        report = from_bytes(BootstrapReport, read_regular(out), where=str(out))
    else:
        extras.require("evaluate")
        extras.require("corpus build")
        root = registry or packaged_registry()
        report = compare(root, load(corpus), model, clips, cells=cells, note=render.note)
        report = msgspec.structs.replace(report, command=command("studies.bootstrap", sys.argv[1:]))
        write_atomic(out, to_bytes(report))
    blocks.write(markdown, "bootstrap", page(report))
    render.markdown(page(report))


if __name__ == "__main__":
    typer.run(main)
