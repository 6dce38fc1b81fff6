"""The adapter table: how each encoder's quality, preset and threads are said to ffmpeg.

Quality is a number on the encoder's own scale, lower is better. Software
encoders run on one thread unless more are asked for, said in the arguments, so
that the bytes of an encode do not depend on the machine.

To add an encoder, add one `Encoder(...)` to ``_TABLE``: nothing else in the code
names encoders but the vocabularies, which are frozen with trained weights. Only
if it makes a codec, or needs hardware, that no other entry does, a `Codec` or a
`Device` is written above the table. Golden lines in ``tests/golden/encoders``
then pin its arguments.

The hardware entries follow ffmpeg's documentation. Their arguments are
checked against ``ffmpeg -h encoder=NAME``; they have not been run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from vqcast.errors import InputError
from vqcast.media.complaint import told
from vqcast.media.inputs import is_deep
from vqcast.media.options import PLAIN, EncoderFacts, EncoderOptions, joined, names_in, plain_name
from vqcast.vocab import PRESETS

_WHY_LENGTH = 100
_SEARCH = (10.0, 51.0, 1.0)
_WIDE = 100.0
_BUILT_WITHOUT = r"Unknown encoder|Encoder not found|unknown device type|Unrecognized option"


@dataclass(frozen=True, slots=True)
class Codec:
    """What an encoder makes, and the containers that it is delivered in."""

    name: str
    """FFmpeg's name of it."""
    muxers: tuple[str, ...] = ("matroska", "mp4", "mov")
    """FFmpeg's names of the containers: fewer than it writes, since players read fewer."""
    iso_tag: str | None = None
    """The tag that players of MP4 and MOV expect; None: FFmpeg's own."""
    joins: bool = False
    """Whether encodes of it, copied one behind the other, decode as each does. VVC's don't."""


@dataclass(frozen=True, slots=True)
class Device:
    """Hardware that an encoder needs, and how ffmpeg opens it."""

    name: str
    """What a machine must have, in words that follow "needed:"."""
    missing: tuple[tuple[str, str], ...]
    """A pattern of ffmpeg's words -> what is missing; ``{}`` is the pattern's group.

    Those for a missing driver, runtime or node were seen; the others, and
    VideoToolbox's, are from ffmpeg's sources and were not.
    """
    opening: tuple[str, ...] = ()
    """ffmpeg arguments before the input."""
    upload: bool = False
    """Whether frames are uploaded by a filter, which then names their format."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One ffmpeg encoder: its knobs, range, presets and pixel formats."""

    name: str
    codec: Codec
    knobs: tuple[str, ...]
    """The options that carry the quality, each the same number."""
    cq_min: float
    cq_max: float
    cq_step: float
    preset_option: str | None
    default_preset: str | None
    """None: the encoder has no presets, and its corpus rows record none."""
    pix_fmt_8: str
    pix_fmt_10: str | None
    """None: it encodes 8 bits only, and a deeper source is refused."""
    fixed: tuple[str, ...]
    """Options that never vary: one thread, constant quality, no surprises."""
    device: Device | None = None
    """None: software."""
    knob_value: Callable[[float], float] = float
    """From the corpus's ``cq`` to the number that is passed."""
    variable: bool = True
    """Whether the frames of a variable rate keep their times."""
    parallel: tuple[str, ...] = ()
    """``fixed`` where threads are given: ``{n}`` their number, ``{frames}`` those on frames of
    their own; empty: the same."""
    at_cuts: tuple[str, ...] = ()
    """What has it start anew every ``{length}`` frames, where stretches were joined; empty: it sees
    the change of scene by itself, or sets key frames so often that it makes no difference."""
    thread_blind: int = 1
    """The most threads on which its bytes are those of one."""
    search: tuple[float, float, float] | None = None
    """Lowest, highest and step of the qualities that a search answers with: beyond them no one
    ships video. None: the usual ones (`search_range`)."""
    cost: float = 1.0
    """Encode seconds beside libx264 medium, at the default preset; for time left only."""
    preset_list: tuple[str, ...] = ()
    """Its presets from fastest to slowest, where no vocabulary has frozen them."""
    max_fps: float | None = None
    """Most frames a second that it takes; None: no limit is known."""
    private: tuple[str, str] | None = None
    """The field of `EncoderOptions` with its library's own parameters, and ffmpeg's flag of it."""
    cuts: str | None = None
    """What of these says how readily a change of scene starts with a key frame: 0 never."""
    fine: str | None = None
    """What of its library's parameters carries a quality between whole numbers, where its knobs
    take those alone."""
    stitch: str | None = None
    """What of these gives encodes of several qualities one header; None: they have one anyway."""
    given: EncoderOptions = PLAIN
    """What a user adds to its words."""

    @property
    def presets(self) -> tuple[str, ...]:
        """Its presets from fastest to slowest; empty where it has none."""
        return PRESETS.get(self.name, self.preset_list) if self.preset_option else ()

    @property
    def search_range(self) -> tuple[float, float, float]:
        """Lowest, highest and step of the qualities that a search answers with."""
        low, high, step = self.search or _SEARCH
        if self.search is None and self.cq_max > _WIDE:
            low, high, step = round(self.cq_max * 0.1), round(self.cq_max * 0.8), self.cq_step
        return max(low, self.cq_min), min(high, self.cq_max), max(step, self.cq_step)

    @property
    def before_input(self) -> tuple[str, ...]:
        """ffmpeg arguments before the input: those that open its device."""
        return self.device.opening if self.device else ()

    @property
    def middle(self) -> float:
        """A quality in the middle of its scale, for trials."""
        return round((self.cq_min + self.cq_max) / 2)

    def scoring_depth(self, depth: int) -> int:
        """Bits at which its encode of a ``depth`` bit source is scored: the deeper of the two."""
        return 10 if is_deep(self.pix_fmt(depth)) else depth

    def pix_fmt(self, depth: int) -> str:
        """The format it encodes for a source of ``depth`` bits: 4:2:0 unless another is asked for.

        Raises InputError for more than 8 bits where it encodes 8 alone.
        """
        if self.given.pix_fmt is not None:
            return self.given.pix_fmt
        depth = self.given.depth or depth
        if depth == 8:
            return self.pix_fmt_8
        if self.pix_fmt_10 is None:
            raise InputError(f"{self.name} encodes 8 bits a sample, not {depth}")
        return self.pix_fmt_10

    def check(self, cq: float, preset: str | None) -> None:
        """Raise InputError for a quality or preset outside its scale."""
        if not self.cq_min <= cq <= self.cq_max:
            raise InputError(
                f"{self.name}: quality {cq:g} is outside {self.cq_min:g}..{self.cq_max:g}"
            )
        if abs(round(cq / self.cq_step) * self.cq_step - cq) > 1e-6:
            raise InputError(f"{self.name}: quality {cq:g} is not a multiple of {self.cq_step:g}")
        if self.preset_option is None:
            if preset is not None:
                raise InputError(
                    f"{self.name} has no presets, so not {preset!r}",
                    hint="name the encoder a preset is for: --preset ENCODER:PRESET",
                )
        elif preset not in self.presets:
            raise InputError(
                f"{self.name} has no preset {preset!r}",
                hint=f"its presets, fastest first: {', '.join(self.presets)}",
            )

    def options(
        self,
        cq: float,
        preset: str | None,
        depth: int,
        threads: int | None = None,
        *,
        spliced: int = 0,
        rate: Fraction | None = None,
    ) -> list[str]:
        """The encoder's part of an ffmpeg command line, after the input.

        ``threads``: None: on one, as every row of every corpus. ``spliced``: how long the stretches
        are that the input was joined from; 0: it was not. ``rate``: frames a second, where known.
        """
        self.check(cq, preset)
        words = ["-c:v", self.name]
        if self.preset_option is not None and preset is not None:
            words += [self.preset_option, preset]
        for knob in self.knobs:
            words += [knob, f"{math.floor(cq) if self.fine else self.knob_value(cq):g}"]
        if threads is None or not self.parallel or threads == self.thread_blind == 1:
            words += self.fixed
        else:
            frames = sum(threads >= step for step in _FRAME_THREADS)
            words += [word.format(n=threads, frames=frames) for word in self.parallel]
        if spliced:
            words += [word.format(length=spliced) for word in self.at_cuts]
        if self.private is not None and self.fine is not None and cq % 1:
            words = joined(words, self.private[1], f"{self.fine}={cq:g}")
        if self.given != PLAIN:
            words = self._with_given(words, rate)
        if self.device is not None and self.device.upload:
            return [*words, "-vf", f"format={self.pix_fmt(depth)},hwupload"]
        return [*words, "-pix_fmt", self.pix_fmt(depth)]

    def _with_given(self, words: list[str], rate: Fraction | None) -> list[str]:
        """``words`` and what a user adds to them, its library's parameters in one list."""
        given = self.given
        if (frames := given.key_frames(rate)) is not None:
            words = [*words, "-g:v:0", str(frames)]
        words = [*words, *(word for name, value in given.named for word in (f"-{name}:v:0", value))]
        if self.private is not None:
            field, flag = self.private
            if given.scene_cut is not None and self.cuts is not None:
                words = joined(words, flag, f"{self.cuts}={_EAGER if given.scene_cut else 0}")
            for name, value in given.private(field):
                words = joined(words, flag, f"{name}={value}")
        return words

    def taking(self, given: EncoderOptions) -> Encoder:
        """This encoder with ``given``. Raises InputError for what is not for it, or is its own."""
        own = self.private[0] if self.private else None
        for field in given.lists:
            if field != own:
                of = [name for name, each in ENCODERS.items() if each.private == _PRIVATE[field]]
                raise InputError(f"--{field} goes with {' and '.join(of)}, not with {self.name}")
        if given.scene_cut is not None and self.cuts is None:
            raise InputError(
                f"{self.name} has no switch for key frames at changes of scene",
                hint="leave --scene-cut out; --keyint says how far apart they are at most",
            )
        if given.depth == 8 and self.pix_fmt_8 == self.pix_fmt_10:
            raise InputError(f"{self.name} encodes 10 bits a sample alone", field="depth")
        if given.pix_fmt is not None and self.device is not None:
            raise InputError(f"{self.name} has its own pixel formats", hint="use --depth")
        fixed = names_in(self.fixed) | names_in(self.parallel)
        fixed |= dict.fromkeys(
            [plain_name(flag.lstrip("-")) for flag in (*self.knobs, self.preset_option or "-")], ""
        )
        listed = given.private(own) if own else []
        for name, _ in (*given.named, *listed):
            if plain_name(name) in fixed:
                raise InputError(
                    f"{self.name}: {name} can't be given: vqcast sets it itself",
                    hint="quality, preset and threads have options of their own",
                )
        return replace(self, given=given)

    def alike(self, threads: int) -> int:
        """The least number of threads that gives the bytes of ``threads``."""
        return 1 if threads <= self.thread_blind else threads

    def why_not(self, said: str) -> str:
        """What is missing, in a few words, where ffmpeg failed and ``said`` this."""
        if re.search(_BUILT_WITHOUT, said):
            return "this ffmpeg is built without it"
        for pattern, reason in self.device.missing if self.device else ():
            if found := re.search(pattern, said):
                return reason.format(*found.groups())
        first = next(iter(told(said)), "ffmpeg failed and said nothing")
        return first if len(first) <= _WHY_LENGTH else f"{first[: _WHY_LENGTH - 1]}…"


def videotoolbox_quality(cq: float) -> float:
    """VideoToolbox's q (1..100, higher is better) of the CRF-shaped value ``cq``.

    q = clamp(100 - 2 cq, 1, 100); a ``cq`` of 50 or more already is a q and passes through.
    """
    return cq if cq >= 50 else min(max(100 - 2 * cq, 1), 100)


_UNLISTED_COST, _EAGER = 4.0, 40
"""And how readily x264 and x265 see a change of scene, by their own defaults."""
_PRIVATE = {
    "svt": ("svt", "-svtav1-params"), "x264": ("x264", "-x264-params"),
    "x265": ("x265", "-x265-params"), "vvenc": ("vvenc", "-vvenc-params"),
    "aom": ("aom", "-aom-params"),
}  # fmt: skip
_FRAME_THREADS = (1, 4, 8, 16, 16, 32)
"""Threads from which on x265 takes one frame more at once: its own rule, by cores."""
_WEB = ("matroska", "mp4", "webm")
H264, VVC = Codec("h264", joins=True), Codec("vvc")
HEVC = Codec("hevc", iso_tag="hvc1", joins=True)
AV1, VP9 = Codec("av1", _WEB, joins=True), Codec("vp9", _WEB, joins=True)

NVENC = Device(
    "an NVIDIA GPU with NVENC and its driver",
    missing=(
        (r"Cannot load (\S+)", "no NVIDIA driver ({})"),
        (r"CUDA_ERROR_NO_DEVICE", "no NVIDIA GPU"),
        (r"required nvenc API version", "the NVIDIA driver is too old for this ffmpeg"),
        (r"No capable devices found|unsupported device", "the NVIDIA GPU has no such encoder"),
    ),
)
QUICK_SYNC = Device(
    "an Intel GPU with Quick Sync and its runtime",
    missing=(
        (r"failed to load library '(\S+)'", "no Intel media driver ({})"),
        (r"No VA display found", "no Intel GPU that VA-API can open"),
        (r"(?:creating|initializing) an? (?:internal )?MFX session", "no Quick Sync runtime"),
        (r"codec type is unsupported", "the Intel GPU has no such encoder"),
    ),
    # hw_any: without it a software implementation may stand in.
    opening=("-init_hw_device", "qsv=quicksync:hw_any"),
)
AMF = Device(
    "an AMD GPU with the AMF runtime",
    missing=(
        (r"DLL (\S+) failed to open", "no AMD AMF runtime ({})"),
        (r"CreateComponent\S* failed", "the AMD GPU has no such encoder"),
    ),
)
VIDEOTOOLBOX = Device(
    "a Mac with Apple silicon",
    missing=((r"qscale not available", "constant quality needs Apple silicon"),),
)
VAAPI = Device(
    "a GPU that VA-API can open as /dev/dri/renderD128",
    missing=(
        (r"failed to load library '(\S+)'", "no VA-API runtime ({})"),
        (r"No VA display found for device (\S+?)\.?\s", "no VA-API device ({})"),
        (r"initialise VAAPI connection", "no VA-API driver for the GPU"),
        (r"No usable encoding", "the GPU has no such encoder"),
    ),
    opening=("-vaapi_device", "/dev/dri/renderD128"),
    upload=True,
)

# Without a target rate, -cq is the only thing that VBR aims at; 0 would mean automatic.
_VBR = ("-rc", "vbr", "-b:v", "0")
_CQ = ("-cq",)
_CQP = ("-rc", "cqp")
_VA_CQP = ("-rc_mode", "CQP")
_QP = ("-qp_i", "-qp_p")
_QP_B = (*_QP, "-qp_b")
_GQ = ("-global_quality",)
_VT = (("-q:v",), 0, 100, 1, None, None)
# One format in 8 bits, one in 10; most hardware codes H.264 in 8 bits alone.
_NV12 = ("nv12", "p010le")
_NV12_8 = ("nv12", None)

_TABLE = (
    Encoder(
        "libx264", H264, ("-crf",), 0, 51, 0.1, "-preset", "medium", "yuv420p", "yuv420p10le",
        fixed=("-threads", "1"),
        # With a lookahead of its own on several threads its bytes are others at every run.
        parallel=("-threads", "{n}", "-x264-params", "sync-lookahead=0"), search=(10, 46, 0.5),
        private=_PRIVATE["x264"], cuts="scenecut", stitch="stitchable=1",
    ),
    Encoder(
        "libx265", HEVC, ("-crf",), 0, 51, 0.1, "-preset", "medium", "yuv420p", "yuv420p10le",
        fixed=("-x265-params", "pools=none:frame-threads=1:log-level=error"),
        parallel=("-x265-params", "pools={n}:frame-threads={frames}:log-level=error"),
        thread_blind=3,  # rows of blocks are coded side by side on one thread, too
        search=(10, 46, 1), cost=1.6, private=_PRIVATE["x265"], cuts="scenecut",
    ),
    Encoder(
        "libsvtav1", AV1, ("-crf",), 1, 63, 0.25, "-preset", "8", "yuv420p", "yuv420p10le",
        fixed=("-svtav1-params", "lp=1"),
        parallel=("-svtav1-params", "lp={n}"), thread_blind=1024,
        at_cuts=("-force_key_frames", "expr:not(mod(n,{length}))"),
        search=(5, 63, 1), cost=1.2, max_fps=240, private=_PRIVATE["svt"], fine="crf",
    ),
    Encoder(
        "libaom-av1", AV1, ("-crf",), 0, 63, 1, "-cpu-used", "6", "yuv420p", "yuv420p10le",
        fixed=("-b:v", "0", "-threads", "1", "-row-mt", "0"),
        parallel=("-b:v", "0", "-threads", "{n}", "-row-mt", "1"),
        search=(5, 63, 1), cost=3.9,
        private=_PRIVATE["aom"],
    ),
    Encoder(
        "libvpx-vp9", VP9, ("-crf",), 0, 63, 1, "-cpu-used", "5", "yuv420p", "yuv420p10le",
        fixed=("-b:v", "0", "-threads", "1", "-row-mt", "0", "-deadline", "good"),
        parallel=("-b:v", "0", "-threads", "{n}", "-row-mt", "1", "-deadline", "good"),
        thread_blind=1024,
        search=(5, 63, 1), cost=1.9,
    ),
    Encoder(
        "libvvenc", VVC, ("-qp",), 0, 63, 1, "-preset", "faster", "yuv420p10le", "yuv420p10le",
        fixed=("-threads", "1"),
        parallel=("-threads", "{n}"),
        variable=False, search=(12, 52, 1), cost=5.2,
        private=_PRIVATE["vvenc"],
    ),
    Encoder("h264_nvenc", H264, _CQ, 1, 51, 1, "-preset", "p4", "yuv420p", None, _VBR, NVENC),
    Encoder("hevc_nvenc", HEVC, _CQ, 1, 51, 1, "-preset", "p4", "yuv420p", "p010le", _VBR, NVENC),
    Encoder("av1_nvenc", AV1, _CQ, 1, 63, 1, "-preset", "p4", "yuv420p", "p010le", _VBR, NVENC),
    # -global_quality alone is ICQ, whose scale is 1..51 for every codec.
    Encoder("h264_qsv", H264, _GQ, 1, 51, 1, "-preset", "medium", *_NV12_8, (), QUICK_SYNC),
    Encoder("hevc_qsv", HEVC, _GQ, 1, 51, 1, "-preset", "medium", *_NV12, (), QUICK_SYNC),
    Encoder("av1_qsv", AV1, _GQ, 1, 51, 1, "-preset", "medium", *_NV12, (), QUICK_SYNC),
    Encoder("h264_amf", H264, _QP_B, 0, 51, 1, "-quality", "balanced", *_NV12_8, _CQP, AMF),
    Encoder("hevc_amf", HEVC, _QP, 0, 51, 1, "-quality", "balanced", *_NV12, _CQP, AMF),
    Encoder("av1_amf", AV1, _QP_B, 1, 255, 1, "-quality", "balanced", *_NV12, _CQP, AMF),
    Encoder("h264_videotoolbox", H264, *_VT, *_NV12_8, (), VIDEOTOOLBOX, videotoolbox_quality),
    Encoder("hevc_videotoolbox", HEVC, *_VT, *_NV12, (), VIDEOTOOLBOX, videotoolbox_quality),
    # -qp 0 means unset, and av1_vaapi documents no -qp.
    Encoder("h264_vaapi", H264, ("-qp",), 1, 51, 1, None, None, *_NV12_8, _VA_CQP, VAAPI),
    Encoder("hevc_vaapi", HEVC, ("-qp",), 1, 51, 1, None, None, *_NV12, _VA_CQP, VAAPI),
    Encoder("av1_vaapi", AV1, _GQ, 1, 255, 1, None, None, *_NV12, _VA_CQP, VAAPI),
)  # fmt: skip

ENCODERS: dict[str, Encoder] = {encoder.name: encoder for encoder in _TABLE}


def encoder(name: str, given: EncoderOptions = PLAIN) -> Encoder:
    """The table's entry, with what a user adds to it.

    Raises InputError naming the encoders that the table has, or what this one does not take.
    """
    if name not in ENCODERS:
        if given.facts is None:
            raise InputError(
                f"vqcast has no adapter for encoder {name!r}",
                hint=f"it has: {', '.join(ENCODERS)}; another of ffmpeg's encoders is used with "
                "--knob and --range, which say how it takes its quality",
            )
        return _unlisted(name, given, given.facts).taking(given)
    if given.knob is not None:
        own = " ".join(ENCODERS[name].knobs)
        raise InputError(f"{name} has a quality option already: {own}", hint="leave --knob out")
    return ENCODERS[name] if given == PLAIN else ENCODERS[name].taking(given)


def _unlisted(name: str, given: EncoderOptions, facts: EncoderFacts) -> Encoder:
    """An entry for an encoder that the table lacks."""
    codecs = {each.codec.name: each.codec for each in ENCODERS.values()}
    low, high, step = given.scale
    return Encoder(
        name, codecs.get(facts.codec, Codec(facts.codec)), (f"-{given.knob}:v",), low, high, step,
        None, None, facts.pix_fmt_8, facts.pix_fmt_10,
        fixed=("-threads", "1") if facts.threads else (),
        parallel=("-threads", "{n}") if facts.threads else (),
        search=(low, high, step), cost=_UNLISTED_COST,
    )  # fmt: skip
