"""A corpus's datasheet: what is in it, how it was made, whose clips it measures, its limits."""

from __future__ import annotations

from vqcast.corpus.check import describe
from vqcast.corpus.checking import SHAPE_FRAME
from vqcast.corpus.table import Corpus
from vqcast.documents.provenance import CorpusProvenance
from vqcast.errors import InputError
from vqcast.evidence.coverage import standard_error
from vqcast.pages import template
from vqcast.vocab import UNKNOWN, VOCABULARIES

_SIZE = ("score_width", "score_height")
_SLOTS = dict.fromkeys(slot for slots in (VOCABULARIES[2], VOCABULARIES[3]) for slot in slots)


def datasheet(corpus: Corpus, origin: CorpusProvenance | None) -> str:
    """The datasheet as Markdown; without a provenance it says what is unknown.

    Raises InputError where ``origin`` is of another corpus.
    """
    if origin is not None and origin.corpus.sha256 != corpus.sha256:
        raise InputError(
            "the provenance is of another corpus",
            path=corpus.path,
            hint=f"it is of {origin.corpus.path}, sha256 {origin.corpus.sha256}",
        )
    facts = describe(corpus)
    encoders = facts["encoders"]
    return template.render(
        "datasheet.md.j2",
        facts=facts,
        per_frame=corpus.shape == SHAPE_FRAME,
        origin=origin,
        single=[
            name for name, each in encoders.items() if len(set(each["presets"]) - {"none"}) == 1
        ],
        absent=[slot for slot in _SLOTS if slot not in encoders and slot != UNKNOWN],
        standard_error=standard_error(0.9, facts["n_groups"]),
        scored=_scored(corpus, origin),
    )


def _scored(corpus: Corpus, origin: CorpusProvenance | None) -> str:
    """At which size the frames were scored, in words; empty where the corpus does not say."""
    if not corpus.frame.kinds.keys() >= set(_SIZE):
        return ""
    at = {src: (width, height) for src, width, height in corpus.distinct("src", *_SIZE)[0]}
    if any(None in size for size in at.values()):
        return ""
    if origin is not None and at == {clip.src: clip.size for clip in origin.sources}:
        return "each clip's own size"
    return ", ".join(f"{width:g}x{height:g}" for width, height in sorted(set(at.values())))
