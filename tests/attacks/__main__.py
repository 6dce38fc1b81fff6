"""Run every attack in full and write down what came of it.

    PYTHONPATH=tests python -m attacks               all suites
    PYTHONPATH=tests python -m attacks crash         one: crash, hostile or fuzz
    PYTHONPATH=tests python -m attacks "damaged video"   one attack of a suite that was run
    PYTHONPATH=tests python -m attacks page          the page again from the evidence

Exit code 1 where anything went wrong. One seed draws all that is random; ``--seed`` takes another.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attacks.count import SEED, Attack
from attacks.page import page
from attacks.table import ATTACKS
from vqcast import __version__
from vqcast.documents import jsontext
from vqcast.durable.files import read_regular, write_atomic

HOME = Path(__file__).parents[2]
EVIDENCE = HOME / "docs" / "evidence" / "reliability.json"
PAGE = HOME / "docs" / "reliability.md"
WRONG_SHOWN = 20


def carried_out(attack: Attack, seed: int) -> dict[str, Any]:
    """One attack in full, as the evidence records it."""
    began, spent = time.monotonic(), sum(os.times()[:4])
    count = attack.run(attack.full, random.Random(seed))
    print(
        f"{attack.suite:8}{attack.name:52}{count.attempts:>8}{len(count.wrong):>6} wrong"
        f"{time.monotonic() - began:>8.1f} s",
        flush=True,
    )
    for what in count.wrong[:WRONG_SHOWN]:
        print(f"        {what}", file=sys.stderr, flush=True)
    return {
        "attack": attack.name,
        "attempts": count.attempts,
        "held": count.attempts - len(count.wrong),
        "wrong": len(count.wrong),
        "outcomes": dict(sorted(count.outcomes.items())),
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(sum(os.times()[:4]) - spent, 1),
    }


def evidence() -> dict[str, Any]:
    """What is recorded so far."""
    if not EVIDENCE.exists():
        return {"schema_version": 1, "suites": {}}
    document: dict[str, Any] = jsontext.parse(read_regular(EVIDENCE), where=str(EVIDENCE))
    return document


def measured(suite: str, seed: int) -> dict[str, Any]:
    """One suite in full, as the evidence records it."""
    print(f"{suite}, seed {seed}", flush=True)
    return {
        "measured_at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "vqcast": __version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seed": seed,
        "attacks": [carried_out(attack, seed) for attack in ATTACKS if attack.suite == suite],
    }


def attempted_again(name: str, seed: int) -> dict[str, Any]:
    """The record of the suites with one attack carried out anew, or for the first time."""
    attack = next(attack for attack in ATTACKS if attack.name == name)
    row = carried_out(attack, seed) | {
        "measured_at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
    }
    document = evidence()
    suite = document["suites"][attack.suite]
    rows = {each["attack"]: each for each in suite["attacks"]} | {name: row}
    names = [each.name for each in ATTACKS if each.suite == attack.suite]
    suite["attacks"] = [rows[each] for each in names if each in rows]
    return document


def main() -> int:
    """Run what was asked for and return the exit code."""
    suites = list(dict.fromkeys(attack.suite for attack in ATTACKS))
    names = [attack.name for attack in ATTACKS]
    parser = argparse.ArgumentParser(prog="attacks", description="Attack vqcast, and count.")
    choices = ["all", *suites, "page", *names]
    parser.add_argument("what", nargs="?", default="all", choices=choices, metavar="WHAT")
    parser.add_argument("--seed", type=int, default=SEED, help="draws all that is random")
    given = parser.parse_args()
    for suite in suites:
        if given.what in ("all", suite):
            found = measured(suite, given.seed)
            document = evidence()
            document["suites"][suite] = found
            write_atomic(EVIDENCE, jsontext.dump(document))
    if given.what in names:
        write_atomic(EVIDENCE, jsontext.dump(attempted_again(given.what, given.seed)))
    document = evidence()
    write_atomic(PAGE, page(document).encode())
    wrong = sum(row["wrong"] for each in document["suites"].values() for row in each["attacks"])
    print("nothing went wrong" if not wrong else f"{wrong} attempts went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
