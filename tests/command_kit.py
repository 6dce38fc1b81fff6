"""What the fixtures of tests/integration/conftest.py are, for the signatures of their tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Vqcast = Callable[..., subprocess.CompletedProcess[str]]
"""``vqcast(*words, code=0)``: run the command and check its exit code."""
Refusal = Callable[..., str]
"""``refusal(*words, code=2)``: the one sentence with which it is refused."""
