"""A power cut while a verdict turns: never both kinds, never a part of one."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from attacks.disk import FAULTS, Fault, FaultyDisk, Journal, Killed, using
from attacks.editions import houses

from vqcast import documents
from vqcast.documents.evidence import Verdict
from vqcast.errors import VqcastError
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import HOLD, PROMOTE

PROMOTED = evidence.read_verdict(Verdict, houses()[0].run_dir)[0]
HELD = msgspec.structs.replace(PROMOTED, verdict=HOLD)
SOUND = (
    {f"{PROMOTE}.json": documents.to_bytes(PROMOTED)},
    {f"{HOLD}.json": documents.to_bytes(HELD)},
    {},  # which promotes nothing
)


def visible(tree: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in tree.items() if name.endswith(".json")}


@pytest.mark.parametrize("order", [(PROMOTED, HELD), (HELD, PROMOTED)], ids=["held", "promoted"])
def test_a_power_cut_leaves_one_verdict_or_none(
    tmp_path: Path, order: tuple[Verdict, Verdict]
) -> None:
    evidence.write_verdict(tmp_path, order[0])
    journal = Journal(tmp_path)
    with using(journal):
        evidence.write_verdict(tmp_path, order[1])
    for cut in range(1, len(journal.steps) + 1):
        for fates in journal.choices(cut, random.Random(1)):
            assert visible(journal.tree(cut, fates)) in SOUND
    last = journal.choices(len(journal.steps), random.Random(1))
    assert [visible(journal.tree(len(journal.steps), fates)) for fates in last] == [
        {f"{order[1].verdict}.json": documents.to_bytes(order[1])}
    ]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_an_error_or_a_kill_leaves_one_verdict_or_none(tmp_path: Path, fault: Fault) -> None:
    evidence.write_verdict(tmp_path, PROMOTED)
    with using(FaultyDisk()) as counted:
        evidence.write_verdict(tmp_path, HELD)
    for at in range(len(counted.seen)):
        evidence.write_verdict(tmp_path, PROMOTED)
        with using(FaultyDisk(at, fault)):
            try:
                evidence.write_verdict(tmp_path, HELD)
            except (VqcastError, Killed):
                pass
            else:
                assert evidence.read_verdict(Verdict, tmp_path)[0] == HELD
        there = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
        assert there in SOUND
