"""Languages of streams, as FFmpeg's muxers write them.

ISO 639-2 has two codes for twenty languages, a bibliographic and a terminological one. QuickTime
files hold numbers of Macintosh languages, which FFmpeg knows by one code each.
"""

from __future__ import annotations

import re

_PAIRS = (
    "alb/sqi arm/hye baq/eus bur/mya chi/zho cze/ces dut/nld fre/fra geo/kat ger/deu gre/ell "
    "ice/isl mac/mkd mao/mri may/msa per/fas rum/ron slo/slk tib/bod wel/cym"
)
_OTHER = {
    one: other
    for pair in _PAIRS.split()
    for one, other in (pair.split("/"), reversed(pair.split("/")))
}
_QUICKTIME = (
    "alb amh ara arm asm aym aze baq bel ben bul bur cat ces chi dan dut dzo eng epo est fin fra "
    "geo ger gre grn guj heb hin hun ice ind ita jav jpn kan kas kaz khm kin kir kor kur lao lat "
    "lav lit mac mal mar may mlg mlt mol mon nep nor nya ori orm per pol por pus que ron run rus "
    "san sin slk slv smi snd som spa swa tam tat tel tgk tgl tha tib tir tuk tur uig ukr urd uzb "
    "vie wel yid"
)
"""The codes of three letters that came back of all that FFmpeg 9 was given."""


def written(language: str, muxer: str) -> str | None:
    """The code by which ``muxer`` keeps ``language``; None: it has none."""
    if muxer == "mov":
        names = (language, _OTHER.get(language))
        return next((name for name in names if name in _QUICKTIME.split()), None)
    if muxer == "mp4" and not re.fullmatch("[a-z]{3}", language):
        return None
    return language
