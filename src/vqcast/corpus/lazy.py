"""Polars, loaded at its first use: every command starts without the extras."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vqcast.extras import needed

__all__ = ["pl"]

if TYPE_CHECKING:
    import polars as pl
else:

    class _Polars:
        def __getattr__(self, name: str) -> Any:
            with needed("polars", "reading a corpus"):
                setattr(self, name, getattr(import_module("polars"), name))
            return self.__dict__[name]

    pl = _Polars()
