"""What of the machine a tuning uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_doc import Doc

from vqcast.errors import InputError
from vqcast.media.inputs import HW_METHODS
from vqcast.media.threads import usable_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Threads, temporary space, ffmpeg and devices. Raises InputError for what is not there."""

    threads: Annotated[
        int | None, Doc("Threads to keep busy. Default: every core that may be used.")
    ] = None
    temp_dir: Annotated[
        Path | None,
        Doc("Folder for a few GB of a long video's pictures. Default: the system's."),
    ] = None
    ffmpeg: Annotated[
        Path | None,
        Doc("The ffmpeg to use. Default: VQCAST_FFMPEG, else the one that came with vqcast."),
    ] = None

    hwaccel: Annotated[
        str | None,
        Doc(
            "Decode the source by cuda, vaapi, qsv or videotoolbox, or by auto: the first that "
            "gives software's bits here, else software. Default: software."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads: {self.threads} is not a number of threads, 1 or more")
        if self.temp_dir is not None and not self.temp_dir.is_dir():
            raise InputError(f"{self.temp_dir}: is not a folder", hint="make it first")
        if self.hwaccel not in (None, "auto", *HW_METHODS):
            raise InputError(
                f"{self.hwaccel!r} is not known", field="hwaccel",
                hint=f"use one of: auto, {', '.join(HW_METHODS)}",
            )  # fmt: skip

    @property
    def cores(self) -> int:
        """Threads to keep busy."""
        return self.threads or usable_cores()
