"""Files that are made once and lent to the threads of a process; the last idle ones stay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Loan(Generic[T]):
    making: threading.Lock = field(default_factory=threading.Lock)
    made: list[T] = field(default_factory=list)
    users: int = 0


class Lent(Generic[T]):
    """Values by key; ``drop`` takes back those beyond the ``spare`` last used that are idle."""

    def __init__(self, drop: Callable[[T], None], spare: int) -> None:
        self._drop, self._spare = drop, spare
        self._lock = threading.Lock()
        self._loans: dict[Hashable, _Loan[T]] = {}

    @contextmanager
    def use(self, key: Hashable, make: Callable[[], T]) -> Iterator[T]:
        """The value of ``key``, made by the first who asks; whoever asks meanwhile waits for it."""
        with self._lock:
            loan = self._loans.pop(key, None) or _Loan()
            self._loans[key] = loan  # now the most recent
            loan.users += 1
        try:
            with loan.making:
                if not loan.made:
                    loan.made.append(make())
            yield loan.made[0]
        finally:
            with self._lock:
                loan.users -= 1
                idle = [key for key, each in self._loans.items() if not each.users]
                for key in idle[: max(0, len(idle) - self._spare)]:
                    for value in self._loans.pop(key).made:
                        self._drop(value)
