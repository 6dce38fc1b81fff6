"""Options that several commands share, and lists given as ``a,b`` or repeated."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from annotated_doc import Doc

import vqcast
from vqcast.errors import InputError
from vqcast.metric import ScoreSize, beside

CorpusFile = Annotated[
    Path, typer.Option("--corpus", help="The corpus: JSON Lines or .parquet.", show_default=False)
]
CorpusFiles = Annotated[
    list[Path],
    typer.Option(
        "--corpus",
        help="The corpus: JSON Lines or .parquet. Repeated for a forecaster, which reads several.",
        show_default=False,
    ),
]
RegistryFolder = Annotated[
    Path | None,
    typer.Option(
        "--registry",
        help="The registry folder. Default: the one that travels with vqcast.",
        show_default=False,
    ),
]
OutDir = Annotated[Path, typer.Option("--out-dir", help="The run folder for evidence and verdict.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Training threads. Default: one per usable core."),
]
Ffmpeg = Annotated[
    Path | None,
    typer.Option(
        "--ffmpeg",
        help="The ffmpeg to use. Default: VQCAST_FFMPEG, else the one that came with vqcast.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
ModelId = Annotated[str, typer.Option("--model", help="The model family.")]


DEFAULT_MODEL = "fr_regressor_v2_ensemble_v1"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source is taken."""

    on_damage: Annotated[
        str,
        Doc("encode: encode what decodes of a damaged source, and report the damage; or refuse."),
    ] = "encode"
    progressive: Annotated[
        bool, Doc("Take pictures that are flagged as interlaced for progressive.")
    ] = False
    decode_all: Annotated[
        bool, Doc("Decode all of the source first, however long, and trust no packet table.")
    ] = False

    def intake(self) -> vqcast.Intake:
        """The same for `vqcast.tune`. Raises InputError for another word."""
        if self.on_damage not in ("encode", "refuse"):
            raise InputError(
                f"--on-damage {self.on_damage!r} is not known", hint="use encode or refuse"
            )
        return vqcast.Intake(
            refuse_damage=self.on_damage == "refuse", progressive=self.progressive,
            decode_all=True if self.decode_all else None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a tuning finds its forecaster and keeps its probes."""

    registry: Annotated[
        Path | None,
        Doc("The forecaster's registry. Default: the one that travels with vqcast."),
    ] = None
    cache: Annotated[
        Path | None, Doc("Where probes are kept. Default: the user's cache folder.")
    ] = None
    no_cache: Annotated[bool, Doc("Neither read nor keep probes.")] = False


@dataclass(frozen=True, slots=True)
class Scored:
    """What is measured of each encode, and at what size, beside VMAF v0.6.1."""

    metric: Annotated[
        tuple[str, ...],
        Doc("Further metrics to measure, such as xpsnr, ssim or vmaf-neg: repeat, or a,b."),
    ] = ()
    score_size: Annotated[
        ScoreSize | None,
        Doc(
            "Where pictures are compared: WIDTHxHEIGHT, or auto (small pictures scaled up to 1080 "
            "lines). Default: source, their own size."
        ),
    ] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", tuple(split(self.metric)))
        beside(self.metric)


def promotion(run_dir: Path, corpora: Sequence[Path], registry: Path | None) -> str:
    """The command line that installs what a run folder's verdict promotes."""
    given = [word for path in corpora for word in ("--corpus", str(path))]
    words = ["vqcast", "promote", str(run_dir), *given, "--registry", str(registry or "DIR")]
    return shlex.join(words)


def check_plot(path: Path | None) -> None:
    """Raise InputError for a picture that is neither PNG nor SVG."""
    if path is not None and path.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"--plot {path}: the name must end in .png or .svg")


def split(values: Sequence[str]) -> list[str]:
    """``["a,b", "c"]`` as ``["a", "b", "c"]``."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def integers(text: str, what: str) -> tuple[int, ...]:
    """``"0,1,2"`` as integers. Raises InputError naming ``what``."""
    try:
        return tuple(int(part) for part in split([text]))
    except ValueError as error:
        raise InputError(f"{what}: {text!r} is not a list of whole numbers") from error
