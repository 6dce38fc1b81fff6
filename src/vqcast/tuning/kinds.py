"""Encoders with presets, from two lists as a command line gives them."""

from __future__ import annotations

from collections.abc import Sequence

from vqcast.errors import InputError
from vqcast.forecast.prior import Kind
from vqcast.media.encoders import encoder as adapter


def kinds(encoders: Sequence[str], presets: Sequence[str]) -> list[Kind]:
    """Each encoder with those of ``presets`` that it has, else with its default.

    Raises InputError for an encoder that is not known, or a preset that none of them has.
    """
    found: list[Kind] = []
    for name in dict.fromkeys(encoders):
        entry = adapter(name)
        own: list[str | None] = [each for each in dict.fromkeys(presets) if each in entry.presets]
        found += [(name, each) for each in own or [entry.default_preset]]
    if encoders and (unknown := set(presets) - {preset for _, preset in found}):
        raise InputError(
            f"none of {', '.join(encoders)} has a preset {min(unknown)!r}", field="preset",
            hint="; ".join(f"{name}: {', '.join(adapter(name).presets)}" for name in encoders),
        )  # fmt: skip
    return found
