"""The extras of vqcast, and which commands need them: the one table of either.

``pip install vqcast`` predicts from features, judges evidence and verifies registries. What more is
needed is asked for before the work starts, and named with the command that installs it::

    require("train")                       # a command
    with needed("av", "reading videos"):   # a module
        import av
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vqcast.errors import MissingDependency


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of vqcast."""

    name: str
    modules: tuple[str, ...]
    """What is imported of it."""
    brings: str

    @property
    def absent(self) -> tuple[str, ...]:
        """Its modules that can't be imported here."""
        return tuple(name for name in self.modules if importlib.util.find_spec(name) is None)


EXTRAS: dict[str, Extra] = {
    each.name: each
    for each in (
        Extra("media", ("av",), "video files: PyAV, and an ffmpeg with libvmaf"),
        Extra("train", ("numba", "polars", "scipy"), "training, evaluation, reading corpora"),
        Extra("report", ("jinja2", "matplotlib"), "pages and pictures"),
        Extra("sign", ("cryptography",), "signing a registry, and checking a signature"),
        Extra("cluster", ("distributed", "fsspec", "s3fs"), "Dask workers, files by URL"),
    )
}

NEEDS: dict[str, tuple[str, ...]] = {
    "tune": ("media",),
    "tune --plot": ("media", "report"),
    "encode": ("media",),
    "compare": ("media",),
    "compare --plot": ("media", "report"),
    "ladder": ("media",),
    "ladder --plot": ("media", "report"),
    "explain": ("media",),
    "predict": ("media",),
    "corpus build": ("media",),
    "corpus build --scheduler": ("media", "cluster"),
    "corpus check": ("train",),
    "corpus select": ("train",),
    "corpus merge": ("train",),
    "corpus convert": ("train",),
    "corpus plot": ("train", "report"),
    "corpus datasheet": ("train", "report"),
    "train": ("train",),
    "promote": ("train",),
    "pipeline": ("train",),
    "registry verify --rebuild": ("train",),
    "registry cards": ("report",),
    "registry keygen": ("sign",),
    "registry sign": ("sign",),
    "registry verify --public-key": ("sign",),
    "evaluate": ("train", "report"),
    "report": ("report",),
    "report --corpus": ("report", "train"),
    "smoke": ("train",),
}
"""Command -> the extras without which it can't run. Commands that are not here need none."""


def table() -> list[tuple[str, str, str]]:
    """Extra, what it brings, and the commands that need it, for a page."""
    return [
        (
            name,
            each.brings,
            ", ".join(command for command, names in NEEDS.items() if name in names),
        )
        for name, each in EXTRAS.items()
    ]


def absent(command: str) -> tuple[str, ...]:
    """The extras that a command needs and that are not whole here."""
    return tuple(name for name in NEEDS.get(command, ()) if EXTRAS[name].absent)


def install(*names: str) -> str:
    """The command that installs extras."""
    return f"pip install 'vqcast[{','.join(names)}]'"


def require(command: str) -> None:
    """Raise MissingDependency unless all that a command needs is here."""
    names = absent(command)
    if names:
        modules = ", ".join(module for name in names for module in EXTRAS[name].absent)
        raise MissingDependency(f"vqcast {command} needs {modules}", hint=install(*names))


def missing(module: str, what: str = "this command") -> MissingDependency | None:
    """How to say that ``what`` lacks a module; None for a module of no extra."""
    package = module.partition(".")[0]
    for each in EXTRAS.values():
        if package in each.modules:
            return MissingDependency(f"{what} needs {package}", hint=install(each.name))
    return None


@contextmanager
def needed(module: str, what: str) -> Iterator[None]:
    """Import a module of an extra within; raises MissingDependency where it is not here."""
    try:
        yield
    except ImportError as error:
        raise (missing(module, what) or error) from error
