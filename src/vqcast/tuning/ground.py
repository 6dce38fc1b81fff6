"""Which forecaster speaks for a tuning, and what of it lies off the ground that calibrated it.

found = ground(request, preset, grid, source, tool, registry=None, trust=None)
found.forecaster, found.off  # why its intervals may not hold: the answer is then measured
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import UnsetType

from vqcast.documents.forecast import ForecastTable
from vqcast.documents.registry import ForecastRow
from vqcast.documents.tune import ForecasterInfo
from vqcast.forecast import measured_with
from vqcast.forecast.forecaster import Forecaster, Probe
from vqcast.forecast.prior import Kind
from vqcast.forecast.table import FOLDER, load_table
from vqcast.media.encoders import encoder as adapter
from vqcast.media.source import Source
from vqcast.media.tool import Tool
from vqcast.media.version import encoder_version
from vqcast.metric import METRICS
from vqcast.serve.folder import packaged_registry
from vqcast.serve.trust import Trust
from vqcast.tuning.grid import CrfGrid
from vqcast.tuning.request import TuneRequest


@dataclass(frozen=True, slots=True)
class Ground:
    """A forecaster, and how far it is to be trusted with what was asked."""

    forecaster: Forecaster
    info: ForecasterInfo
    off: tuple[str, ...] = ()
    """Why nothing calibrated such a forecast, one clause each."""
    notes: tuple[str, ...] = ()
    """What else it rests on."""

    @property
    def calibrated(self) -> bool:
        """Whether its intervals are of measured titles, and hold here."""
        return self.info.sha256 is not None and not self.off


def ground(
    request: TuneRequest,
    preset: str | None,
    grid: CrfGrid,
    source: Source,
    tool: Tool,
    *,
    rescaled: bool = False,
    registry: Path | None = None,
    trust: Trust | None = None,
    without: Collection[str] = (),
    told: Sequence[tuple[Kind, Probe]] = (),
) -> Ground:
    """The promoted forecaster, or the generic Gaussian where none speaks for the request.

    ``rescaled``: pictures are compared at another size than the curves' were. ``without`` leaves
    content groups out; ``told`` are probes of the title with other encoders or presets. Raises
    RegistryError where a registry that was named is not there.
    """
    entry = adapter(request.encoder, request.options)
    off = []
    if source.unusual:
        off.append(f"the source {' and '.join(source.unusual)}")
    if grid.step < entry.search_range[2]:
        off.append(f"no curve tells of steps of {grid.step:g}")
    promoted = _promoted(registry, trust)
    if promoted is None or rescaled or not _knows(promoted[0], request, without):
        made = Forecaster.generic((grid.low, grid.high), METRICS[request.metric])
        return Ground(made, ForecasterInfo(id=made.id, sha256=None), tuple(off))
    table, row = promoted
    if table.options_of(request.encoder) != (str(request.options) or None):
        off.append("the forecaster was measured with other encoder options")
    if other := _other_version(request.encoder, tool):
        off.append(other)
    made = Forecaster.from_table(
        table, request.encoder, preset, metric=request.metric, pool=request.pool,
        without=without, told=told,
    )  # fmt: skip
    notes = []
    joint = not isinstance(table.joint, UnsetType)
    if made.few_curves and joint:
        notes.append(
            f"few curves are of {_named(request.encoder, preset)}: its intervals are wider"
        )
    if told and joint:
        kinds = sorted({_named(*kind) for kind, _ in told})
        notes.append(f"starts from what probes of this title with {', '.join(kinds)} saw")
    info = ForecasterInfo(id=table.id, sha256=row.sha256)
    return Ground(made, info, tuple(off), tuple(notes))


def _named(encoder: str, preset: str | None) -> str:
    return encoder if preset is None else f"{encoder} {preset}"


def _promoted(
    registry: Path | None, trust: Trust | None
) -> tuple[ForecastTable, ForecastRow] | None:
    """The registry's forecaster; None where vqcast came without one and nobody asked for any."""
    unasked = registry is None and (trust is None or trust.public_key is None)
    if unasked and not packaged_registry(FOLDER).exists():
        return None
    return load_table(registry, trust=trust)


def _knows(table: ForecastTable, request: TuneRequest, without: Collection[str]) -> bool:
    """Whether curves of the encoder have the score that was asked for."""
    measure = f"{request.metric}/{request.pool}"
    return any(
        curve.encoder == request.encoder and measure in curve.score and curve.group not in without
        for curve in table.curves
    )


def _other_version(encoder: str, tool: Tool) -> str | None:
    """What to say where the encoder is not the one that the curves were measured with."""
    measured = measured_with.VERSIONS.get(encoder)
    if measured is None or tool.sha256 == measured_with.FFMPEG:
        return None
    here = encoder_version(encoder, tool)
    if here == measured:
        return None
    return (
        f"the forecaster was measured with {encoder} {measured}, and this ffmpeg has "
        f"{here or 'another, which does not say its version'}"
    )
