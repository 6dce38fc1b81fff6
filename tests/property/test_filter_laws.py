"""Whatever text is given for a filter, ffmpeg is told filters of the list and nothing else."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from vqcast.errors import InputError
from vqcast.media.filters import TAKEN, Filters
from vqcast.media.graph import graph

PARTS = st.sampled_from(
    [*sorted(TAKEN), "movie", "lut3d", "format", "=", ":", ",", ";", "[a]", "'", '"', "\\", "/",
     "/etc/passwd", "..", "@x", "file", "psfile=", "plot=", "enable", "iw/2", "n", "$(x)", "%",
     "\n", " ", "\0", "0.5", "-1", "ü", "amovie=x", "sendcmd=c", "split", "nullsink"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(PARTS, max_size=8).map("".join))
SAFE = re.compile(r"[A-Za-z0-9_.+\-*/()|#=:,]*")
OURS = {"format", "bwdif", "setfield"}


@given(TEXTS)
@example("curves=psfile=a")
@example("eq=contrast=1;movie=a")
@example("hflip,[x]")
@example("crop=w=/etc/passwd")
@example("hflip\n,movie=a")
def test_any_text_for_vf_is_refused_or_names_filters_of_the_list(text: str) -> None:
    try:
        asked = Filters(vf=text)
    except InputError:
        return
    video = graph(asked, "v:0", order=None, deinterlace=False, box=None, hdr=None,
                  pix_fmt="yuv420p")  # fmt: skip
    assert SAFE.fullmatch(video.chain)
    names = [each.partition("=")[0] for each in video.chain.split(",")]
    assert set(names) <= TAKEN | OURS and len(names) == text.count(",") + 2
    for name in re.findall(r"[=:]([^=:,]+)=", video.chain):
        assert not re.search("file|plot|path|model", name)
    for value in re.findall(r"[=:]([^=:,]*)(?=[:,]|$)", video.chain):
        assert not value.startswith(("/", ".")) and "//" not in value


@given(TEXTS, st.sampled_from(["crop", "scale", "fps", "denoise", "deinterlace"]))
@example("640:360:0:0,movie=a", "crop")
@example("640:360:flags=lanczos", "scale")
@example("25,movie=a", "fps")
@example("٢٠:٤٠", "scale")
@example("٢٥", "fps")
def test_any_other_text_is_refused_or_numbers_and_known_words(text: str, field: str) -> None:
    try:
        asked = Filters(**{field: text})  # type: ignore[arg-type]
    except InputError:
        return
    video = graph(asked, "v:0", order=None, deinterlace=False, box=asked.box, hdr=None,
                  pix_fmt="yuv420p")  # fmt: skip
    assert SAFE.fullmatch(video.chain) and video.chain.isascii()
