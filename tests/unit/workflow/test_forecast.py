"""Promotion of a forecaster, its law, and what every forgery is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from registry_kit import contents, edit, reseal
from typer.testing import CliRunner

from vqcast import documents
from vqcast.cli.main import app
from vqcast.documents.forecast import ForecastTable
from vqcast.documents.registry import ForecastRegistry, ForecastRow
from vqcast.durable.files import sha256_bytes
from vqcast.errors import EvidenceError, GateHeld, ModelRefused, RegistryError
from vqcast.forecast.table import load_table
from vqcast.registry import law, seal
from vqcast.serve.folder import Folder
from vqcast.workflow import steps

pytestmark = pytest.mark.slow

ID = "crf_forecast_v1"
TABLE = f"{ID}.json"
EVIDENCE = f"evidence/{ID}/forecast_evidence.json"
VERDICT = f"{ID}_PROMOTE.json"


def refingerprint(registry: Path) -> None:
    """Make row and checksums agree with a changed table, as a careful forger would."""
    digest = sha256_bytes((registry / TABLE).read_bytes())
    edit(registry / "registry.json", lambda value: value["models"][0].update(sha256=digest))
    reseal(registry)


def change_table(registry: Path, change: Callable[[Any], None]) -> None:
    value = json.loads((registry / TABLE).read_bytes())
    change(value)
    (registry / TABLE).write_text(json.dumps(value))
    refingerprint(registry)


def test_what_is_promoted_is_whole_lawful_and_loads(forecast_pristine: Any) -> None:
    registry = forecast_pristine.registry
    assert law.verify(registry) == []
    assert sorted(contents(registry)) == sorted(
        [TABLE, VERDICT, EVIDENCE, "checksums.json", "registry.json", "registry.schema.json"]
    )
    table, row = load_table(registry)
    assert (table.id, row.table, row.kind) == (ID, TABLE, "forecast")
    assert documents.to_line(table) == (registry / TABLE).read_bytes()
    schema = json.loads((registry / "registry.schema.json").read_bytes())
    jsonschema.validate(json.loads((registry / "registry.json").read_bytes()), schema)


def test_promoting_again_changes_nothing(forecast_house: Any) -> None:
    before = contents(forecast_house.registry)
    steps.promote(forecast_house.run_dir, [forecast_house.corpus], forecast_house.registry)
    assert contents(forecast_house.registry) == before


def test_a_held_run_and_a_changed_one_are_refused(forecast_house: Any, tmp_path: Path) -> None:
    run, target = forecast_house.run_dir, tmp_path / "new"
    verdict = json.loads((run / "PROMOTE.json").read_bytes())

    def install() -> None:
        steps.promote(run, [forecast_house.corpus], target)

    edit(run / "PROMOTE.json", lambda value: value["gate"].update(n_groups=99))
    with pytest.raises(EvidenceError, match="judged again"):
        install()
    (run / "PROMOTE.json").unlink()
    (run / "HOLD.json").write_text(json.dumps(verdict | {"verdict": "HOLD"}))
    with pytest.raises(GateHeld):
        install()
    edit(run / "forecast_evidence.json", lambda value: value.update(n_curves=1))
    steps.gate(run)
    with pytest.raises(EvidenceError, match="other evidence"):
        install()
    (run / TABLE).write_bytes((run / TABLE).read_bytes().replace(b"crf_forecast_v1", b"crf_v1", 1))
    with pytest.raises(EvidenceError, match="not the table"):
        steps.gate(run)
    assert not target.exists()


def test_another_corpus_is_refused(forecast_house: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    lines = forecast_house.corpus.read_text().splitlines(keepends=True)
    other.write_text("".join(lines[:-1]))
    with pytest.raises(EvidenceError, match="other digests"):
        steps.promote(forecast_house.run_dir, [other], tmp_path / "new")


def test_rebuilding_gives_the_same_bytes(forecast_pristine: Any) -> None:
    (again,) = steps.rebuild(forecast_pristine.registry, [forecast_pristine.corpus])
    assert again.same_bytes and again.worst == 0.0 and again.problem is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["curves"][0]["score"]["vmaf/mean"].__setitem__(3, 0.1), "another table"),
        (lambda v: v["calibration"]["vmaf/mean"]["score"][1].__setitem__(2, 0.1), "another table"),
        (lambda v: v["curves"].pop(), "another table"),
        (lambda v: v["recipe"].update(own_weight=0.1), "another recipe"),
        (lambda v: v.update(id="crf_forecast_v2"), "of crf_forecast_v2"),
        (lambda v: v.update(top=100.6), "another version"),
        (lambda v: v["curves"][0]["side"].pop(), "not whole"),
        (lambda v: v["curves"][0]["score"]["vmaf/mean"].pop(), "not whole"),
        (lambda v: v["axes"].update(libx264=[42.0, 15.0]), "axis"),
        (lambda v: v["calibration"]["vmaf/mean"]["score"][0].pop(), "calibration"),
        (lambda v: v.update(curves="none"), "curves"),
    ],
)
def test_a_forged_table_is_named(
    forecast_house: Any, change: Callable[[Any], None], words: str
) -> None:
    change_table(forecast_house.registry, change)
    problems = law.verify(forecast_house.registry)
    assert any(words in each for each in problems), problems


def test_forged_evidence_and_verdicts_are_named(forecast_house: Any) -> None:
    registry = forecast_house.registry

    def better(value: Any) -> None:
        for scenario in value["scenarios"]:
            for group in scenario["groups"]:
                group["model"] = 0.01

    edit(registry / EVIDENCE, better)
    reseal(registry)
    assert any("judged again" in each for each in law.verify(registry))
    (registry / EVIDENCE).unlink()
    reseal(registry)
    assert any(f"no {EVIDENCE}" in each for each in law.verify(registry))


def test_every_flipped_bit_is_noticed(forecast_house: Any) -> None:
    registry = forecast_house.registry
    for name in (TABLE, VERDICT, EVIDENCE, "registry.json", "registry.schema.json"):
        path = registry / name
        data = path.read_bytes()
        for at in range(0, len(data), max(len(data) // 7, 1)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            assert law.verify(registry), (name, at)
            with pytest.raises((RegistryError, ModelRefused)):
                load_table(registry)
        path.write_bytes(data)
    assert law.verify(registry) == []


def test_what_is_no_promoted_forecaster_is_refused_in_words(
    forecast_house: Any, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="no registry folder"):
        load_table(tmp_path / "absent")
    with pytest.raises(RegistryError, match="holds no CRF forecaster crf_other"):
        load_table(forecast_house.registry, "crf_other")
    edit(
        forecast_house.registry / "registry.json",
        lambda value: value["models"][0].update(smoke=True),
    )
    reseal(forecast_house.registry)
    with pytest.raises(ModelRefused, match="scaffold"):
        load_table(forecast_house.registry)


def test_a_registry_never_holds_both_kinds(house: Any, forecast_pristine: Any) -> None:
    before = contents(house.registry)
    _, row = load_table(forecast_pristine.registry)

    def add(before: seal.Content) -> seal.Content:
        return seal.Content(before.rows | {row.id: row}, before.files)

    with pytest.raises(RegistryError, match="not both"):
        seal.change(house.registry, add)
    assert contents(house.registry) == before
    with pytest.raises(RegistryError, match="holds no network"):
        Folder(forecast_pristine.registry).registry()
    with pytest.raises(RegistryError, match="no CRF forecaster"):
        load_table(house.registry)
    with pytest.raises(EvidenceError, match="another corpus"):
        steps.rebuild(house.registry, [forecast_pristine.corpus])


def test_rollback_and_standing_work_as_for_networks(forecast_house: Any) -> None:
    registry = forecast_house.registry
    before = contents(registry)
    runner = CliRunner()
    command = ["registry", "deprecate", str(registry), ID, "--reason", "old"]
    assert runner.invoke(app, command).exit_code == 0
    listed = runner.invoke(app, ["registry", "list", str(registry), "--json"])
    assert json.loads(listed.stdout)[0]["status"]["state"] == "deprecated"
    assert law.verify(registry) == []
    load_table(registry)  # deprecated is said, not refused
    seal.rollback(registry)
    assert contents(registry) == before


def test_rows_out_of_order_or_twice_are_named(forecast_pristine: Any) -> None:
    row = ForecastRow(id=ID, kind="forecast", table=TABLE, sha256="0" * 64, smoke=True)
    twice = documents.to_bytes(ForecastRegistry(models=[row, row]))
    problems = law.violations({"registry.json": twice})
    assert any("stands 2 times" in each for each in problems)
    assert any(f"{TABLE} is missing" in each for each in problems)


def test_the_table_is_small(forecast_pristine: Any) -> None:
    data = (forecast_pristine.registry / TABLE).read_bytes()
    assert data.count(b"\n") == 1
    table = documents.from_bytes(ForecastTable, data, where=TABLE)
    assert len(data) < 2000 * len(table.curves)
