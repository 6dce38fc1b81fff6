"""Which films a batch encodes, and what each output is called: plain decisions, nothing written."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_doc import Doc

from vqcast.errors import InputError
from vqcast.media.carriage import container
from vqcast.media.encoders import encoder as adapter

SUFFIXES = frozenset(
    {
        *(".3gp", ".avi", ".dv", ".flv", ".gxf", ".h264", ".h265", ".hevc", ".ivf", ".m2ts"),
        *(".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".obu", ".ogm"),
        *(".ogv", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m"),
    }
)
"""What is taken for a video in a folder; a file that is named is taken as it is."""
PATTERN = "{stem}.{codec}.mkv"
_FIELDS = ("stem", "name", "codec", "encoder", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Where outputs go. Raises InputError for a pattern that names no file."""

    name: Annotated[
        str,
        Doc(
            "Name of each output where -o gives none: {stem}, {name}, {codec}, {encoder}, {target}."
        ),
    ] = PATTERN
    out_dir: Annotated[Path | None, Doc("Folder of the outputs. Default: beside each film.")] = None
    replace: Annotated[
        bool,
        Doc("Replace each source by its output, where that reaches the target and is smaller."),
    ] = False
    keep_original: Annotated[
        Path | None, Doc("With --replace: the folder that the sources are moved to.")
    ] = None

    def __post_init__(self) -> None:
        try:
            fields = {field for _, field, _, _ in string.Formatter().parse(self.name) if field}
        except ValueError as error:
            raise InputError(f"{self.name!r} is no pattern: {error}", field="name") from error
        if unknown := fields - set(_FIELDS):
            raise InputError(
                f"{{{min(unknown)}}} is not known", field="name",
                hint=f"use {', '.join('{' + field + '}' for field in _FIELDS)}",
            )  # fmt: skip
        if "/" in self.name or not self.name.strip():
            raise InputError(f"{self.name!r} names no file in a folder", field="name")
        container(Path(self.name))
        if self.keep_original is not None and not self.replace:
            raise InputError("--keep-original goes with --replace")

    def output(self, film: Film, encoder: str, target: float) -> Path:
        """The output of ``film``."""
        name = self.name.format(
            stem=film.path.stem, name=film.path.name, encoder=encoder, target=f"{target:g}",
            codec=adapter(encoder).codec.name,
        )  # fmt: skip
        folder = film.path.parent if self.out_dir is None else self.out_dir / film.below
        return folder / name


@dataclass(frozen=True, slots=True)
class Film:
    """One film of a batch."""

    path: Path
    below: Path = Path()
    """Its folder, below the folder that was named."""


def films(inputs: Sequence[Path]) -> list[Film]:
    """Every file that is named, and every video in or below a folder that is, in order of names.

    Raises InputError for a folder without a video, or a name of nothing.
    """
    found: dict[Path, Film] = {}
    for given in inputs:
        if given.is_dir():
            inside = [
                Film(path, path.parent.relative_to(given))
                for path in sorted(given.rglob("*"))
                if path.suffix.lower() in SUFFIXES
                and not path.name.startswith(".")
                and path.is_file()
            ]
            if not inside:
                raise InputError("holds no video", path=given, hint="name the files themselves")
        else:
            inside = [Film(given)]
        for film in inside:
            found.setdefault(film.path.absolute(), film)
    return list(found.values())


def outputs(
    chosen: Sequence[Film], names: Names, encoder: str, target: float
) -> list[tuple[Film, Path]]:
    """Each film with its output; a film that is another's output is none.

    Raises InputError for two films of one output.
    """
    planned = [(film, names.output(film, encoder, target)) for film in chosen]
    made = {output.absolute() for _, output in planned}
    paired = [(film, output) for film, output in planned if film.path.absolute() not in made]
    taken: dict[Path, Film] = {}
    for film, output in paired:
        other = taken.setdefault(output.absolute(), film)
        if other is not film:
            raise InputError(
                f"would be written for {other.path} and for {film.path}", path=output,
                hint="tell them apart: --name '{name}.{codec}.mkv'",
            )  # fmt: skip
    return paired
