"""What an attack gives back, and where it works."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SEED = 20_260_101


@dataclass
class Count:
    """How often something was tried, what became of it, and every time it went wrong."""

    attempts: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, outcome: str) -> None:
        """One attempt that ended as it should."""
        self.attempts += 1
        self.outcomes[outcome] += 1

    def fail(self, what: str) -> None:
        """One attempt that did not."""
        self.attempts += 1
        self.wrong.append(what)


@dataclass(frozen=True)
class Attack:
    """One line of the table: ``run(n, rng)`` makes about ``n`` attempts."""

    suite: str
    name: str
    run: Callable[[int, random.Random], Count]
    quick: int
    full: int

    def quickly(self) -> Count:
        """The share that every test run makes."""
        return self.run(self.quick, random.Random(SEED))


def drawn(cases: Sequence[T], n: int, rng: random.Random) -> Iterator[T]:
    """``n`` of the cases: each once where there are so many, the rest at random."""
    if n < len(cases):
        yield from rng.sample(cases, n)
        return
    yield from cases
    for _ in range(n - len(cases)):
        yield rng.choice(cases)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where the machine has one, gone afterwards."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="vqcast-attack-", dir=memory if memory.is_dir() else None
    ) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
