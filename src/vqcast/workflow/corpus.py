"""Build a corpus from videos: read the sources, plan the grid, measure it, say where it is from.

made = build(
Grid(["a.mkv", "b.mkv"], {"libx264": [20, 30]}, presets={"libx264": ["fast"]}),
Path("corpus.jsonl.gz"),
)
made.corpus.rows, made.corpus.failures
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from vqcast import documents
from vqcast.corpus.build import Built, cells_folder
from vqcast.corpus.build import build as build_cells
from vqcast.corpus.cluster import DaskCluster
from vqcast.corpus.copies import Copies
from vqcast.corpus.earlier import provenance_path
from vqcast.corpus.execute import Executor, LocalPool
from vqcast.corpus.merge import merged_provenance
from vqcast.corpus.plan import plan
from vqcast.corpus.provenance import SourceManifest, provenance, read_manifest
from vqcast.corpus.remote import local_path
from vqcast.corpus.store import open_store
from vqcast.corpus.table import load
from vqcast.corpus.watch import Watcher
from vqcast.corpus.writing import check_name
from vqcast.documents.forecast import CorpusPin
from vqcast.durable.files import write_atomic
from vqcast.errors import InputError, VqcastError
from vqcast.measured.cell import Cell
from vqcast.media.doctor import libvmaf_version, require_devices
from vqcast.media.encoders import encoder
from vqcast.media.filters import UNFILTERED, Filters
from vqcast.media.inputs import RawFormat
from vqcast.media.option_check import require_options
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.source import Intake, Source, probe
from vqcast.media.tool import Tool, find_ffmpeg
from vqcast.media.unlisted import described
from vqcast.metric import VMAF, VMAF_V1, ScoreSize, beside, metrics, unlike


@dataclass(frozen=True, slots=True)
class Grid:
    """What is measured: every source with every encoder, preset and quality."""

    sources: Sequence[str]
    """Paths or URLs of videos."""
    qualities: Mapping[str, Sequence[float]]
    """Encoder -> its qualities, on its own scale."""
    presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Encoder -> its presets, where not the default one."""
    frames: int | None = None
    """The first so many frames of each source; None: all."""
    v1: bool = True
    """Whether VMAF v1 is recorded too."""
    also: tuple[str, ...] = ()
    """Further metrics that are recorded, by the names of `vqcast.metric.METRICS`."""
    score_size: ScoreSize | None = None
    """Where pictures are compared; None: at their own size."""
    raws: Mapping[str, RawFormat] = field(default_factory=dict)
    """Source -> how its bytes are read, for raw YUV."""
    manifest: Path | None = None
    """A table of what people know of the files, their groups among it."""
    options: EncoderOptions = PLAIN
    """What is added to each encoder's words."""
    filters: Filters = UNFILTERED
    """What each source's pictures go through before they are encoded."""

    def described(self, tool: Tool) -> Grid:
        """The same, with what ``tool`` says of an encoder that the table lacks.

        Raises ToolUnavailable for a software encoder that ``tool`` is built without.
        """
        if self.options.knob is None:
            for name in self.qualities:
                described(name, self.options, tool)
            return self
        if len(self.qualities) > 1:
            raise InputError("--knob says how one encoder takes its quality", hint="name one")
        (name,) = self.qualities
        return replace(self, options=described(name, self.options, tool))

    def check(self) -> None:
        """Raise InputError for an encoder, preset or quality that can't be, before any work."""
        for name, values in self.qualities.items():
            entry = encoder(name, self.options)
            for preset in self.presets.get(name, (entry.default_preset,)):
                for value in values:
                    entry.check(value, preset)


@dataclass(frozen=True, slots=True)
class CorpusMade:
    """A corpus that was built, and where it says how."""

    corpus: Built
    cells: int
    """Of the grid."""
    kept_in: str
    """Where the finished cells are."""
    provenance: Path | None
    """None: no cell could be measured, and nothing was written."""


def build(
    grid: Grid,
    out: Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    resources: Mapping[str, float] | None = None,
    cells: str | None = None,
    provenance_file: Path | None = None,
    command: str = "vqcast.workflow.corpus.build",
    ffmpeg: Path | None = None,
    watcher: Watcher | None = None,
) -> CorpusMade:
    """Encode and score every cell of ``grid`` and write the corpus ``out``, or add to it.

    ``jobs`` cells at a time on this machine (default: one a core), or on the workers of a Dask
    ``scheduler``, of whose ``resources`` a cell takes some. Finished cells are kept in ``cells``, a
    folder or URL (default: ``OUT.cells``), and found there again. ``command`` is how the provenance
    says it was made, ``ffmpeg`` the one to use. A cell that fails is left out and named in the
    result. Raises InputError for what can't be measured, or added to ``out``; ToolUnavailable
    without ffmpeg or a device.
    """
    check_name(out)
    tool = find_ffmpeg(ffmpeg)
    grid = grid.described(tool)
    grid.check()
    watcher = watcher or Watcher()
    manifest = read_manifest(grid.manifest) if grid.manifest else SourceManifest()
    copies = Copies()
    executor: Executor = LocalPool(jobs, copies)
    if scheduler is not None:
        executor = DaskCluster(scheduler, resources or {})
    kept_in = cells or str(cells_folder(out))
    store = open_store(kept_in)
    watcher.note(f"ffmpeg {tool.version}, sha256 {tool.sha256[:16]}…")
    if scheduler is None:
        require_devices(grid.qualities, tool)
    sources = [_source(text, grid, manifest, copies, tool, watcher) for text in grid.sources]
    planned = _planned(sources, grid, watcher)
    for cell in {(each.encoder, each.preset): each for each in planned}.values():
        entry = encoder(cell.encoder, grid.options)
        require_options(entry, cell.preset, cell.source.depth, tool)
    watcher.planned(planned)
    origin = provenance_file or provenance_path(out)
    built = build_cells(
        planned, out, tool,
        executor=executor,
        store=store,
        origins={
            source.name: text
            for text, source in zip(grid.sources, sources, strict=True)
            if local_path(text) is None
        },
        provenance=origin,
        on_cell=watcher.cell,
        on_failure=watcher.failure,
    )  # fmt: skip
    if built.sha256 is not None:
        _write_provenance(origin, out, built, planned, tool, manifest, command)
    return CorpusMade(built, len(planned), kept_in, origin if built.sha256 else None)


def _planned(sources: Sequence[Source], grid: Grid, watcher: Watcher) -> list[Cell]:
    """The cells; sizes that a model was not made for are told."""
    cells = plan(
        sources, grid.qualities, grid.presets, options=grid.options,
        also=beside([*grid.also, *([VMAF_V1.name] if grid.v1 else [])]),
        score_size=grid.score_size,
    )  # fmt: skip
    sizes = dict.fromkeys(cell.size or (cell.source.width, cell.source.height) for cell in cells)
    for metric in metrics([VMAF.name, *grid.also]):
        for note in (note for size in sizes for note in unlike(metric, size)):
            watcher.note(f"note: {note}")
    return cells


def _source(
    text: str, grid: Grid, manifest: SourceManifest, copies: Copies, tool: Tool, watcher: Watcher
) -> Source:
    with _local_copy(text, copies) as path:
        source = probe(
            path, tool, raw=grid.raws.get(text), frames=grid.frames, group=manifest.group(path),
            intake=Intake(
                decode_all=True, digest_all=True, sdr_only=True,
                filters=grid.filters.for_encode(grid.options),
            ),
        )  # fmt: skip
    manifest.check(path, source.identity)
    if source.video.chain:
        for words in source.notes:
            watcher.note(f"{path.name}: {words}")
    if grid.manifest is not None and source.group is None:
        watcher.note(f"{path.name}: not in {grid.manifest.name}, taken as a group of its own")
    watcher.source(path.name)
    return source


@contextmanager
def _local_copy(text: str, copies: Copies) -> Iterator[Path]:
    """A source as a local file; what is wrong with it is said of ``text``."""
    path = local_path(text)
    if path is not None:
        yield path
        return
    with copies.use(text) as path:
        try:
            yield path
        except VqcastError as error:
            raise (error.at(text) if error.path == path else error) from error


def _write_provenance(
    path: Path, out: Path, built: Built, cells: Sequence[Cell], tool: Tool,
    manifest: SourceManifest, command: str,
) -> None:  # fmt: skip
    assert built.sha256 is not None
    pin = CorpusPin(path=out.name, sha256=built.sha256, n_rows=built.rows)
    made = provenance(cells, tool, libvmaf_version(tool), manifest, command=command, corpus=pin)
    if built.earlier is not None:
        whole = load(out, min_rows=1)
        made = merged_provenance(whole, [built.earlier.origin, made], command=None)
    write_atomic(path, documents.to_bytes(made))
