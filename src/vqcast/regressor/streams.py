"""All randomness of training, as streams of raw 64-bit words.

A result must not move when NumPy changes a distribution's algorithm, so only
the raw words of its bit generators are used; those are frozen by NumPy's
compatibility policy (NEP 19). A stream is 32 SFC64 generators side by side:
word ``i`` is draw ``i // 32`` of lane ``i % 32``. Side by side they advance in
vector registers, many times faster than ``random_raw``, which gives the same
words one by one.

Each fit owns a shuffle and a dropout stream, seeded by its seed and the name
of what it holds out. What else runs beside it never matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

LANES = 32
PER_WORD = 4
"""16-bit pieces in one word: a dropout decision uses one piece."""

_WEIGHTS, _SHUFFLE, _DROPOUT = 1, 2, 3


def compiled(*, inline: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: compile with numba on first call, GIL released.

    Of the fast-math flags only ``contract`` (fused multiply-add) is on, so sums
    keep their order and the same machine gives the same digits. Machine code
    is kept on disk; where no folder can be written it is compiled each time.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options: dict[str, Any] = {
            "nogil": True,
            "error_model": "numpy",
            "fastmath": {"contract"},
            "forceinline": inline,
        }
        try:
            built: Callable[..., Any] = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder for its cache
            built = numba.njit(**options)(function)
        return built

    return decorate


@compiled()
def fill_words(state: Any, out: Any) -> None:
    """Write the next ``out.size`` words, a multiple of 32, and advance.

    ``state`` is uint64 ``[4, 32]``: the words a, b, c and counter of SFC64
    (C. Doty-Humphrey, PractRand), one column a lane.
    """
    a, b, c, counter = state[0], state[1], state[2], state[3]
    one, three = np.uint64(1), np.uint64(3)
    eleven, left, right = np.uint64(11), np.uint64(24), np.uint64(40)
    for block in range(out.size // LANES):
        row = out[block * LANES : (block + 1) * LANES]
        for lane in range(LANES):
            old_b, old_c, count = b[lane], c[lane], counter[lane]
            word = a[lane] + old_b + count
            counter[lane] = count + one
            a[lane] = old_b ^ (old_b >> eleven)
            b[lane] = old_c + (old_c << three)
            c[lane] = ((old_c << left) | (old_c >> right)) + word
            row[lane] = word


class WordStream:
    """An endless sequence of uint64 words, a function of ``entropy`` alone."""

    __slots__ = ("state",)

    def __init__(self, entropy: tuple[int, ...]) -> None:
        children = np.random.SeedSequence(entropy).spawn(LANES)
        states = [np.random.SFC64(child).state["state"]["state"] for child in children]
        self.state: NDArray[np.uint64] = np.ascontiguousarray(np.array(states, np.uint64).T)

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next ``count`` words; the stream advances by whole rows of 32."""
        out = np.empty(-(-count // LANES) * LANES, np.uint64)
        fill_words(self.state, out)
        return out[:count]


def _name_words(held_out: str | None) -> tuple[int, ...]:
    """The name as eight 32-bit words; a fit on every row has words of its own."""
    text = "every row" if held_out is None else f"without {held_out}"
    return tuple(np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4").tolist())


def weight_stream(seed: int) -> WordStream:
    """Initial weights: of the seed only, so all folds of a seed start the same."""
    return WordStream((_WEIGHTS, seed))


def shuffle_stream(seed: int, held_out: str | None) -> WordStream:
    """Row orders of one fit."""
    return WordStream((_SHUFFLE, seed, *_name_words(held_out)))


def dropout_stream(seed: int, held_out: str | None) -> WordStream:
    """Dropout decisions of one fit."""
    return WordStream((_DROPOUT, seed, *_name_words(held_out)))


def uniform(stream: WordStream, count: int, bound: float) -> NDArray[np.float32]:
    """``count`` values in [-bound, bound), from the top 53 bits of each word."""
    unit = (stream.words(count) >> np.uint64(11)) * 2.0**-53
    return ((2.0 * unit - 1.0) * bound).astype(np.float32)


@compiled()
def _shuffle(words: Any, items: Any, bits: Any) -> None:
    """Durstenfeld's shuffle in place; item ``last`` swaps with one of ``0..last``.

    ``2**bits`` exceeds the number of items. The place is the top bits of a word times
    ``last + 1``, scaled down, so no place is favoured by more than ``items.size**2 / 2**64``.
    """
    keep = np.uint64(64) - bits
    for last in range(items.size - 1, 0, -1):
        place = ((words[last] >> bits) * np.uint64(last + 1)) >> keep
        items[last], items[place] = items[place], items[last]


def shuffled(stream: WordStream, items: NDArray[np.int32]) -> NDArray[np.int32]:
    """A copy of ``items`` in a fresh order; takes one word per item."""
    order = items.copy()
    _shuffle(stream.words(len(items)), order, np.uint64(len(items).bit_length()))
    return order


def words_per_step(batch_size: int, hidden: int, depth: int) -> int:
    """Words that one step takes for dropout, the same for a partial batch."""
    pieces = batch_size * hidden * depth
    return -(-pieces // (PER_WORD * LANES)) * LANES


def drop_threshold(dropout: float) -> int:
    """A unit is dropped where its 16-bit piece is below this."""
    return round(dropout * 65536)
