"""Every way vqcast can refuse, as one small tree of exceptions.

Each class is one cause. It carries the exit status of the command line
(1: it ran and the answer is no, or a tool failed; 2: the input is bad) and a
hint that names what to do next. The sentence is made of its parts, which a program
reads in its stead::

    >>> raise CorpusError("no rows", path="runs/x.jsonl", hint="vqcast corpus build --help")
    Traceback (most recent call last):
    vqcast.errors.CorpusError: runs/x.jsonl: no rows
"""

from __future__ import annotations

from pathlib import Path
from typing import Self


class VqcastError(Exception):
    """Root of all refusals: where, what is wrong, and what to do next."""

    exit_status = 2

    def __init__(
        self,
        reason: str,
        *,
        path: str | Path | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.reason = reason
        """The cause, without path and field where those are given."""
        self.path = path
        """The file, folder or URL that is refused, where there is one."""
        self.field = field
        """The argument, column or key that is refused, where there is one."""
        self.hint = hint
        """What to do next."""
        where = [str(each) for each in (path, field) if each is not None]
        super().__init__(": ".join([*where, reason]))

    @property
    def message(self) -> str:
        """One sentence: where, and what is wrong."""
        return str(self.args[0])

    def at(self, path: str | Path) -> Self:
        """The same refusal, of another path: a file's, of the URL that it was fetched from."""
        return type(self)(self.reason, path=path, field=self.field, hint=self.hint)


class InputError(VqcastError):
    """An argument or a file that the caller gave can't be used."""


class DocumentError(InputError):
    """A JSON document is malformed or does not fit its schema."""


class CorpusError(InputError):
    """A corpus is missing, empty, too small or holds an impossible row."""


class EvidenceError(InputError):
    """LOSO evidence is missing, incomplete, a dry run or of another corpus."""


class UnknownEncoderError(InputError):
    """A vocabulary without an ``unknown`` slot was asked for a foreign encoder."""


class FeatureError(InputError):
    """Features or codec block of the wrong shape, or not finite."""


class ModelRefused(InputError):
    """A model file fails the guard: digest, operators, external data, smoke."""


class RegistryError(InputError):
    """A registry breaks its law; the message names each violation."""


class SignatureRefused(InputError):
    """A registry is not signed, by another key, or older than one seen before."""


class MissingDependency(InputError):
    """An optional part of vqcast is not installed."""


class ToolUnavailable(InputError):
    """ffmpeg, one of its encoders or a VMAF model is not on this machine."""


class MediaError(InputError):
    """A video can't be read, or does not hold what was planned."""


class ToolFailure(VqcastError):
    """A tool ran and did not deliver; the message quotes its own words."""

    exit_status = 1


class GateHeld(VqcastError):
    """The evidence does not support promotion."""

    exit_status = 1


class ParityError(VqcastError):
    """An exported graph does not compute what the trained model computes."""

    exit_status = 1


class Busy(VqcastError):
    """Another process holds the lock of this folder."""

    exit_status = 1


class LargerThanSource(VqcastError):
    """An encode has more bytes than the video it was made from, and was not kept."""

    exit_status = 4

    made = 0
    """Bytes of the encode's video."""
    source = 0
    """Bytes of the source's video."""
    crf = 0.0
