"""Options that several commands share, and lists given as ``a,b`` or repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqcast.errors import InputError, MissingDependency

if TYPE_CHECKING:
    from vqcast.serve.signature import Trust

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
PublicKey = Annotated[
    Path | None,
    typer.Option("--public-key", help="The registry must be signed by this key, a PEM file."),
]
RequireSignature = Annotated[
    bool, typer.Option("--require-signature", help="Refuse to run without a public key.")
]
MinSerial = Annotated[
    int | None, typer.Option("--min-serial", min=1, help="The lowest serial that is accepted.")
]
TrustFile = Annotated[
    Path | None,
    typer.Option("--trust-file", help="A file that remembers the highest serial seen."),
]
OutDir = Annotated[Path, typer.Option("--out-dir", help="The run folder for evidence and verdict.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Training threads. Default: one a usable core."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
ModelId = Annotated[str, typer.Option("--model", help="The model family.")]

DEFAULT_MODEL = "fr_regressor_v2_ensemble_v1"


def one(corpora: Sequence[Path], model: str) -> Path:
    """The only corpus of a model that is trained on one. Raises InputError for several."""
    if len(corpora) != 1:
        raise InputError(
            f"{model} is made from one corpus, {len(corpora)} are given",
            hint="give --corpus once",
        )
    return corpora[0]


def trust(
    public_key: Path | None, required: bool, min_serial: int | None, memory: Path | None
) -> Trust | None:
    """What the four options above ask of a registry; None where they ask nothing."""
    from vqcast.serve.signature import Trust

    asked = Trust(public_key, required, min_serial, memory)
    return None if public_key is None else asked


def split(values: Sequence[str]) -> list[str]:
    """``["a,b", "c"]`` as ``["a", "b", "c"]``."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def integers(text: str, what: str) -> tuple[int, ...]:
    """``"0,1,2"`` as integers. Raises InputError naming ``what``."""
    try:
        return tuple(int(part) for part in split([text]))
    except ValueError as error:
        raise InputError(f"{what}: {text!r} is not a list of whole numbers") from error


def require(extra: str, *modules: str) -> None:
    """Raise MissingDependency unless the modules of an extra can be imported."""
    import importlib.util

    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingDependency(
            f"this command needs {', '.join(absent)}", hint=f"pip install 'vqcast[{extra}]'"
        )


def require_train() -> None:
    """Training needs the compiler and the table library of ``[train]``."""
    require("train", "numba", "scipy", "polars")


def require_media() -> None:
    """Measuring needs ffmpeg and PyAV of ``[media]``."""
    require("media", "av")
