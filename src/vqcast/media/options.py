"""Encoder options that a user adds, read and refused before anything runs.

    EncoderOptions(svt="tune=0:film-grain=8", keyint="10s", enc=("flags=+cgop",))

They are added to the words that an entry of the encoder table says anyway. What would change the
quality, the pictures, the threads or the file system is refused by name: those are asked for by
options of their own, or not at all. `vqcast.media.option_check` asks ffmpeg about the rest.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fractions import Fraction
from typing import Annotated, Any

from annotated_doc import Doc

from vqcast.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_KEYINT = re.compile(r"(\d{1,6})|(\d{1,4}(?:\.\d{1,3})?)s")
_YUV = re.compile(r"yuv4(20|22|44)p(1[02]le)?")
_RANGE = re.compile(":".join([r"(\d{1,5}(?:\.\d{1,4})?)"] * 3))
_QUOTING = re.compile(r"[\s'\"\\]|[^ -~]")
_LISTS = ("svt", "x264", "x265", "vvenc", "aom")
_IN_LIST = {
    "svtav1params": "svt", "x264params": "x264", "x264opts": "x264", "x265params": "x265",
    "vvencparams": "vvenc", "aomparams": "aom",
}  # fmt: skip
"""Options of ffmpeg that hold a list -> the field that holds it here."""

_QUALITY = """crf qp cq q b ab bt bitrate rc rcmode ratecontrol globalquality qscale qpi qpp qpb
qpconstant initqp initqpi initqpp initqpb lossless losslesspreset pass passes tbr vbr
targetbitrate targetrate minrate cqlevel endusage zones constvbv strictcbr cbr culossless useqfile
firstpass fastfirstpass"""
_PICTURES = """s size videosize w h width height sourcewidth sourceheight forcedmaxframewidth
forcedmaxframeheight inputres inputcsp r fps framerate fpsnum fpsdenom timebase tickspersec aspect
sar overscan videoformat pixfmt depth bitdepth inputdepth inputbitdepth encoderbitdepth
encodercolorformat colorformat internalbitdepth outputdepth outputbitdepth outputcsp chromaformat
colorprim transfer colormatrix colorprimaries colortrc
colorspace colorrange range fullrange chromasamplelocation chromaloc chromasampleposition
transfercharacteristics matrixcoefficients masterdisplay mastering masteringdisplay maxcll maxfall
contentlight hdr hdr10 dhdr10opt dolbyvision dolbyvisionprofile interlace interlaced tff
bff fakeinterlaced fieldorder fieldcoding picstruct pulldown frames framestobeencoded n seek
frameskip skip chunkstart chunkend resizemode resizedenom resizekfdenom resizeframeevts
resizeframekfdenoms resizeframedenoms resizedynamic renderwidth renderheight annexb
alpha alphamode multiview numviews format scalable layers conformancewindow displaywindow
defaultdispwin croprect monochrome monochromemode largescaletile
stereomode framepacking bitstream injectfaults copyopaque"""
_FILES = """stats statistics csv csvloglevel recon reconfile recony4mexec recondepth dumpyuv
analysissave analysisload analysisreusefile qpfile cqm cqmfile zonefile filmgraintable fgstable
lambdafile scalinglist scalinglistfile vmafmodelpath tracefile tracerule debug debuglevel
dumpseparator fpf dhdr10info dolbyvisionrpu nalufile rcstatsfile openclclbin openclclbinfile
opencldevice opencl config c o i input output log loglevel verbosity report enablestatreport
progress summary roimapfile exportsidedata maxpixels savepsnr psnr ssim partitioninfopath
externalpartition ratedistributioninfopath twopassinput twopassoutput"""
_THREADS = """threads threadtype lp pools numapools framethreads rowmt wpp pmode pme pin ss
targetsocket levelofparallelism lookaheadthreads slicedthreads synclookahead maxparallelframes ifp
wppbitequal"""
_REASONS = {
    **dict.fromkeys(_QUALITY.split(), "it changes the quality, which is what is searched"),
    **dict.fromkeys(_PICTURES.split(), "it changes the pictures or what is said of them"),
    **dict.fromkeys(_FILES.split(), "it reads, writes or prints something beside the video"),
    **dict.fromkeys(_THREADS.split(), "the threads are one plan: use --threads"),
    **dict.fromkeys(("preset", "cpuused", "deadline", "usage"), "use --preset"),
    "g": "use --keyint",
}
"""A name without case, hyphens and underscores -> why it is refused."""
_FILE_NAMES = re.compile(
    r"(?<!pro)(file|filename|path|yuv|table|log)$|^(analysis|refineanalysis|dump)"
)
_USEFUL = frozenset({"cgop", "loop", "mv4", "qpel", "low_delay", "aic", "bitexact"})


_GRAIN = frozenset({"filmgrain", "filmgraintest", "denoisenoiselevel", "photonnoise"})
"""Parameters of AV1 encoders that leave a recipe of grain in the stream; 0 and -1: none."""

_FLAGS = {"knob_range": "range"}
"""Field -> its option, where that is not its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFacts:
    """What ffmpeg says of an encoder."""

    codec: str
    """FFmpeg's name of what it makes."""
    pix_fmt_8: str
    pix_fmt_10: str | None
    threads: bool
    """Whether it takes a number of threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """What a user adds to an encoder's words. Raises InputError for what is refused by name."""

    enc: Annotated[
        tuple[str, ...],
        Doc("KEY=VALUE, an option of ffmpeg's encoder, such as aq-mode=3. Repeat for more."),
    ] = ()
    svt: Annotated[str | None, Doc("SVT-AV1's own parameters, as a=b:c=d.")] = None
    x264: Annotated[str | None, Doc("x264's own parameters, as a=b:c=d.")] = None
    x265: Annotated[str | None, Doc("x265's own parameters, as a=b:c=d.")] = None
    vvenc: Annotated[str | None, Doc("VVenC's own parameters, as a=b:c=d.")] = None
    aom: Annotated[str | None, Doc("libaom's own parameters, as a=b:c=d.")] = None
    keyint: Annotated[
        str | None, Doc("Most frames from one key frame to the next, or seconds: 240 or 10s.")
    ] = None
    depth: Annotated[
        int | None, Doc("Bit depth of the encode, 8 or 10. Default: the source's.")
    ] = None
    pix_fmt: Annotated[
        str | None,
        Doc("Pixel format of the encode, by ffmpeg's name. Default: 4:2:0 at the depth."),
    ] = None
    knob: Annotated[
        str | None,
        Doc("For an encoder that vqcast has no entry for: its quality's option, such as crf or q."),
    ] = None
    knob_range: Annotated[
        str | None, Doc("That option's LOW:HIGH:STEP, such as 0:63:0.25; lower is better.")
    ] = None
    scene_cut: Annotated[
        bool | None, Doc("Whether a change of scene starts with a key frame (x264, x265).")
    ] = None
    facts: EncoderFacts | None = None
    """What ffmpeg says of an encoder that the table lacks; see `vqcast.media.unlisted`."""

    def __post_init__(self) -> None:
        if (self.knob is None) != (self.knob_range is None):
            raise InputError("--knob and --range go together", hint="--knob crf --range 0:63:1")
        if self.knob is not None and not _NAME.fullmatch(self.knob):
            raise InputError(f"{self.knob!r} is no option of an encoder", field="knob")
        if self.knob_range is not None:
            _scale(self.knob_range)
        for name, value in (pair for word in self.enc for pair in [_pair(word)]):
            _refuse(name, value, f"--enc {name}", self)
        _once([name for name, _ in self.named], "--enc")
        for field in _LISTS:
            given = self.private(field)
            for name, value in given:
                _refuse(name, value, f"--{field} {name}", self, x265=field == "x265")
            _once([name for name, _ in given], f"--{field}")
        if self.depth not in (None, 8, 10):
            raise InputError(f"{self.depth} is not 8 or 10 bits a sample", field="depth")
        if self.pix_fmt is not None and not _YUV.fullmatch(self.pix_fmt):
            raise InputError(
                f"{self.pix_fmt!r} is no YUV format that is scored", field="pix-fmt",
                hint="such as yuv420p10le, yuv422p10le or yuv444p",
            )  # fmt: skip
        if self.depth is not None and self.pix_fmt is not None:
            raise InputError("--depth and --pix-fmt both say the depth", hint="leave one out")
        if self.keyint is not None:
            found = _KEYINT.fullmatch(self.keyint)
            if found is None or not float(found[1] or found[2]):
                raise InputError(
                    f"{self.keyint!r} is no number of frames or seconds above 0",
                    field="keyint", hint="such as --keyint 240 or --keyint 10s",
                )  # fmt: skip

    @property
    def scale(self) -> tuple[float, float, float]:
        """Lowest and highest quality, and the step, of ``knob_range``."""
        return _scale(self.knob_range or "")

    @property
    def chroma(self) -> str:
        """How the encode samples colour: 420, 422 or 444."""
        return self.pix_fmt[3:6] if self.pix_fmt else "420"

    @property
    def named(self) -> list[tuple[str, str]]:
        """The pairs of ``enc``."""
        return [_pair(word) for word in self.enc]

    @property
    def grain(self) -> bool:
        """Whether it asks for film grain that the decoder draws."""
        given = [*self.named, *(pair for field in self.lists for pair in self.private(field))]
        for name, value in self.named:
            if name.endswith("params"):
                given += _pairs(value, name)
        return any(plain_name(name) in _GRAIN and value not in ("0", "-1") for name, value in given)

    @property
    def lists(self) -> list[str]:
        """The private lists that are given, by their fields."""
        return [field for field in _LISTS if getattr(self, field) is not None]

    def private(self, field: str) -> list[tuple[str, str]]:
        """The pairs of one private list; a parameter that is only named has the value 1."""
        return list(_pairs(getattr(self, field) or "", f"--{field}"))

    def key_frames(self, rate: Fraction | None) -> int | None:
        """Frames from key frame to key frame, at most; None: as the encoder does.

        Raises InputError for seconds where there is no ``rate``.
        """
        if self.keyint is None:
            return None
        if not self.keyint.endswith("s"):
            return int(self.keyint)
        if rate is None:
            raise InputError("the source has no frame rate", hint="give --keyint in frames")
        return max(round(float(self.keyint[:-1]) * rate), 1)

    def __str__(self) -> str:
        """The same as the words of a command line; empty: nothing was added."""
        return as_words(self, without=("facts",), flags=_FLAGS)


def as_words(
    group: Any, *, without: Sequence[str] = (), flags: Mapping[str, str] | None = None
) -> str:
    """A group of options as the words of a command line, those that differ from its defaults.

    ``flags``: field -> its option, where that is not its name.
    """
    words: list[str] = []
    for field in fields(group):
        value = getattr(group, field.name)
        if field.name in without or value == field.default:
            continue
        flag = (flags or {}).get(field.name, field.name).replace("_", "-")
        if isinstance(value, tuple):
            words += [word for each in value for word in (f"--{flag}", each)]
        elif isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return shlex.join(words)


def nearest(name: str, known: Iterable[str]) -> str:
    """The names that are nearest, as the end of a sentence; empty: none is near."""
    near = get_close_matches(name, sorted(known), n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _scale(text: str) -> tuple[float, float, float]:
    found = _RANGE.fullmatch(text)
    low, high, step = map(float, found.groups()) if found else (0.0, 0.0, 0.0)
    if not 0 <= low < high or not 0 < step <= high - low:
        raise InputError(
            f"{text!r} is not LOW:HIGH:STEP", field="range", hint="such as --range 0:63:0.25"
        )
    return low, high, step


def plain_name(name: str) -> str:
    """A parameter's name as its libraries compare it: without case, hyphens and underscores."""
    return re.sub(r"[-_]", "", name).lower()


def joined(words: list[str], flag: str, added: str) -> list[str]:
    """``words`` with ``added`` behind the private list ``flag``, which stays one list."""
    if flag not in words:
        return [*words, flag, added]
    at = words.index(flag) + 1
    return [*words[:at], f"{words[at]}:{added}", *words[at + 1 :]]


def names_in(words: tuple[str, ...]) -> dict[str, str]:
    """The names that an entry's own words set, in lists too -> the flag that sets each."""
    found = {}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        found[plain_name(flag.lstrip("-").partition(":")[0])] = flag
        if flag.endswith("-params"):
            found |= {plain_name(name): flag for name, _ in _pairs(value, flag)}
    return found


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not value or not _NAME.fullmatch(name) or "\0" in value:
        raise InputError(
            f"--enc {word!r} is not KEY=VALUE",
            hint="give an option of ffmpeg's encoder without its hyphen, such as aq-mode=3",
        )
    return name, value


def _pairs(text: str, what: str) -> Iterator[tuple[str, str]]:
    for part in text.split(":") if text else []:
        name, equals, value = part.partition("=")
        value = value if equals else "1"  # ffmpeg would take the rest of the list for its name
        if not _NAME.fullmatch(name) or not value or _QUOTING.search(part) or "=" in value:
            raise InputError(
                f"{what} {text!r} is no list of parameters", hint="such as tune=0:film-grain=8"
            )
        yield name, value


def _once(names: list[str], what: str) -> None:
    plain = [plain_name(name) for name in names]
    for name in names:
        if plain.count(plain_name(name)) > 1:
            raise InputError(f"{what} {name} is given twice")


def _refuse(name: str, value: str, what: str, given: EncoderOptions, *, x265: bool = False) -> None:
    """Raise InputError for a parameter that is refused by name, or whose value names a file."""
    plain = plain_name(name)
    if plain in _IN_LIST:
        raise InputError(f"{what} is a list", hint=f"use --{_IN_LIST[plain]} {value}")
    if plain.endswith("params"):
        for inner, inside in _pairs(value, what):
            _refuse(inner, inside, f"{what}: {inner}", given)
        return
    reason = next(
        (_REASONS[each] for each in (plain, plain.removeprefix("no")) if each in _REASONS), None
    )
    if reason is None and (_FILE_NAMES.search(plain) or "/" in value or "\\" in value):
        reason = _REASONS["stats"]
    if x265 and plain in ("filmgrain", "aomfilmgrain"):
        reason = "x265's film-grain names a file"
    if plain == "tune" and value.lower() in ("lossless", "psnr_lossless"):
        reason = _REASONS["crf"]
    if plain == "flags" and not _USEFUL.issuperset(re.findall(r"\w+", value)):
        reason = f"vqcast knows no use of flags but {', '.join(sorted(_USEFUL))}"
    if plain == "flags2":
        reason = _REASONS["size"]
    if plain == "keyint" and given.keyint is not None:
        reason = "--keyint says it already"
    if plain.removeprefix("no") == "scenecut" and given.scene_cut is not None:
        reason = "--scene-cut says it already"
    if reason is not None:
        raise InputError(f"{what} can't be given: {reason}")


PLAIN = EncoderOptions()
