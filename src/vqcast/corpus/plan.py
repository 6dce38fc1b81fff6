"""Which cells a build measures: a pure list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vqcast.errors import CorpusError, InputError
from vqcast.measured.cell import Cell
from vqcast.media.encoders import encoder
from vqcast.media.measure import check_size, encoder_options
from vqcast.media.options import PLAIN, EncoderOptions
from vqcast.media.source import Source
from vqcast.metric import ScoreSize, compared_at


def weight(cell: Cell) -> float:
    """A cell's expected cost, in arbitrary units, for estimating the time left."""
    pixels = cell.source.width * cell.source.height * cell.frames
    return pixels * (0.7 + encoder(cell.encoder, cell.options).cost)


def plan(
    sources: Sequence[Source],
    qualities: Mapping[str, Sequence[float]],
    presets: Mapping[str, str | tuple[str, ...]],
    *,
    options: EncoderOptions = PLAIN,
    also: tuple[str, ...] = (),
    score_size: ScoreSize | None = None,
) -> list[Cell]:
    """Every cell of the grid: sources by name, encoders and presets as given, qualities rising.

    ``qualities`` gives each encoder's values, ``presets`` overrides defaults: one preset of an
    encoder, or several. ``options`` are added to each encoder's words, ``also`` names further
    metrics, ``score_size`` is where pictures are compared.
    Raises CorpusError for two sources of one name or a name that is not UTF-8,
    InputError for a value off an encoder's scale or a source deeper than it encodes.
    """
    by_name: dict[str, Source] = {}
    for source in sources:
        try:
            source.name.encode()
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{source.path!a}: its name is not UTF-8, as the corpus's src must be",
                hint="rename the file",
            ) from error
        if source.name in by_name:
            raise CorpusError(
                f"two sources named {source.name!r}: {by_name[source.name].path}, {source.path}",
                hint="rename one: the name is what cross-validation holds out",
            )
        by_name[source.name] = source
    cells = []
    for name in sorted(by_name):
        source = by_name[name]
        size = compared_at(score_size, (source.width, source.height))
        for encoder_name, values in qualities.items():
            entry = encoder(encoder_name, options)
            given = presets.get(encoder_name, entry.default_preset)
            if by_name[name].depth > 8 and entry.pix_fmt_10 is None:
                raise InputError(
                    f"has more than 8 bits a sample, {encoder_name} takes 8",
                    path=by_name[name].path,
                    hint="leave one of them out, or convert the source to 8 bits",
                )
            for preset in dict.fromkeys(given if isinstance(given, tuple) else (given,)):
                for cq in sorted(set(values)):
                    encoder_options(source, entry, cq, preset)  # refuses what it can't take
                    cells.append(
                        Cell(
                            source, encoder_name, preset, cq, size=size, options=options,
                            also=also,
                        )
                    )  # fmt: skip
        check_size(source, size, also)
    if not cells:
        raise InputError("the grid is empty", hint="name at least one source, encoder and quality")
    return cells
