"""What the processor's packages have used, where Linux tells it (RAPL, ``powercap``).

    before = counters()
    ...
    joules(before, counters())  # None: this machine does not tell, or not to everyone

It is the whole machine's energy, other programs' included.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path("/sys/class/powercap")
_MICRO = 1e-6
Counters = Mapping[str, tuple[int, int]]
"""Package -> microjoules so far, and where the counter begins anew."""


def counters(root: Path = ROOT) -> Counters:
    """The packages' counters; empty where they can't be read."""
    found = {}
    for zone in sorted(root.glob("intel-rapl:[0-9]*")):
        if zone.name.count(":") > 1:  # a part of a package, which is counted in it
            continue
        try:
            used, most = (
                int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj")
            )
        except (OSError, ValueError):
            return {}
        found[zone.name] = used, most
    return found


def joules(before: Counters, after: Counters) -> float | None:
    """What was used between two readings; None where they are not of the same packages."""
    if not before or before.keys() != after.keys():
        return None
    spent = 0.0
    for name, (used, most) in after.items():
        spent += (used - before[name][0]) % max(most, 1)
    return spent * _MICRO
