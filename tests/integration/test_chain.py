"""From a corpus to a promoted, verified, rebuilt registry, command by command."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from command_kit import Refusal, Vqcast
from registry_kit import PREFIX, House, contents, edit, reseal, rows, write_corpus

COMMANDS = [
    *([name] for name in ("doctor", "train", "gate", "promote", "predict", "pipeline", "smoke")),
    *(["corpus"], ["corpus", "build"], ["corpus", "check"]),
    *(["registry"], ["registry", "list"], ["registry", "verify"]),
]
ENSEMBLE = "fr_regressor_v2_ensemble_v1"


def held_corpus(path: Path) -> Path:
    """A corpus whose scores have nothing to do with its features."""
    made = rows(frames=3)
    for row in made:
        row["vmaf"] = (row["frame_index"] * 37 + row["cq"] * 11) % 100
    return write_corpus(path, made)


@pytest.mark.parametrize("words", [[], *COMMANDS], ids=" ".join)
def test_every_command_explains_itself(vqcast: Vqcast, words: list[str]) -> None:
    done = vqcast(*words, "--help")
    assert "Usage:" in done.stdout and "--help" in done.stdout and done.stderr == ""


def test_the_command_is_installed_under_its_name() -> None:
    (entry,) = entry_points(group="console_scripts", name="vqcast")
    assert entry.value == "vqcast.cli.main:main"


def test_the_version_is_the_packages(vqcast: Vqcast) -> None:
    import vqcast as package

    assert vqcast("--version").stdout == f"vqcast {package.__version__}\n"


def test_an_unknown_command_is_bad_input(vqcast: Vqcast) -> None:
    assert "No such command" in vqcast("fly", code=2).stderr


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        (None, 5),
        ("fr_regressor_v1", 1),
        ("fr_regressor_v2", 1),
        ("fr_regressor_v3", 1),
    ],
)
def test_smoke_proves_the_chain_of_a_family_and_leaves_scaffolds_only(
    vqcast: Vqcast, tmp_path: Path, model: str | None, rows: int
) -> None:
    asked = () if model is None else ("--model", model)
    done = vqcast("smoke", *asked, "--out-dir", tmp_path / "kept")
    assert done.stdout.endswith("smoke: the chain holds\n")
    assert (tmp_path / "kept" / "run" / "HOLD.json").is_file()
    registry = tmp_path / "kept" / "registry"
    listed = json.loads(vqcast("registry", "list", registry, "--json").stdout)
    assert len(listed) == rows and all(row["smoke"] is True for row in listed)
    assert model is None or [row["id"] for row in listed] == [model]
    vqcast("registry", "verify", registry)


def test_smoke_of_a_family_without_scaffolds_is_refused(refusal: Refusal) -> None:
    assert "measured encodes" in refusal("smoke", "--model", "crf_forecast_v1")
    assert "no model family" in refusal("smoke", "--model", "fr_regressor_v9")


def test_check_says_what_a_corpus_holds(vqcast: Vqcast, chain: House) -> None:
    facts = json.loads(vqcast("corpus", "check", chain.corpus_path, "--json").stdout)
    assert (facts["n_rows"], facts["n_sources"]) == (360, 3)
    assert facts["sha256"] == chain.corpus.sha256
    assert set(facts["encoders"]) == {"libx264", "libx265", "libsvtav1"}


def test_training_leaves_evidence_and_a_log_a_seed(chain: House) -> None:
    for seed in range(5):
        report = json.loads((chain.run_dir / f"loso_seed{seed}.json").read_bytes())
        assert report["seed"] == seed and report["epochs"] == 150 and "note" not in report
        assert report["corpus"] == "corpus.jsonl"  # no path of this machine
        assert "clip_0" in (chain.run_dir / f"train_seed{seed}.log").read_text()


def test_training_prints_its_reports_as_json(vqcast: Vqcast, chain: House, tmp_path: Path) -> None:
    done = vqcast(
        "train", "--corpus", chain.corpus_path, "--out-dir", tmp_path, "--seeds", "1,0",
        "--epochs", 2, "--json",
    )  # fmt: skip
    assert [report["seed"] for report in json.loads(done.stdout)] == [1, 0]
    keys = {"mean_plcc", "std_plcc", "folds", "n_folds", "corpus_sha256", "wall_time_s"}
    assert keys <= set(json.loads(done.stdout)[0])


def test_the_gate_prints_the_contracts_report(vqcast: Vqcast, chain: House) -> None:
    report = json.loads(vqcast("gate", chain.run_dir, "--check", "--json").stdout)
    assert list(report) == [
        *("passed", "mean_plcc", "mean_plcc_threshold", "mean_plcc_pass", "plcc_spread"),
        *("plcc_spread_max", "plcc_spread_pass", "per_seed_plccs", "per_seed_min"),
        *("per_seed_pass", "failing_seeds"),
        *("lowest_seed_plcc", "verdict", "recommendation", "intervals"),  # ours
    ]
    assert report["passed"] is True and set(report["per_seed_plccs"]) == set("01234")


def test_checking_the_gate_writes_nothing(vqcast: Vqcast, chain: House, tmp_path: Path) -> None:
    run = Path(shutil.copytree(chain.run_dir, tmp_path / "run"))
    (run / "PROMOTE.json").unlink()
    before = contents(run)
    assert "PROMOTE" in vqcast("gate", run, "--check").stdout
    assert contents(run) == before
    vqcast("gate", run)
    assert (run / "PROMOTE.json").is_file()


def test_rows_that_train_the_unknown_slot_are_named(vqcast: Vqcast, tmp_path: Path) -> None:
    made = rows(encoders=("libx264", "libaom-av1"))
    corpus = write_corpus(tmp_path / "c.jsonl", made)
    done = vqcast("train", "--corpus", corpus, "--out-dir", tmp_path / "run", "--dry-run")
    named = "120 rows of libaom-av1, which has no slot of its own, train `unknown`"
    assert named in done.stderr and "libx264" not in done.stderr


def test_no_gate_accepts_a_dry_run(
    vqcast: Vqcast, refusal: Refusal, chain: House, tmp_path: Path
) -> None:
    vqcast("train", "--corpus", chain.corpus_path, "--out-dir", tmp_path, "--dry-run")
    assert json.loads((tmp_path / "loso_seed0.json").read_bytes())["note"] == "dry-run"
    assert "dry run" in refusal("gate", tmp_path)
    assert not list(tmp_path.glob("*[A-Z].json"))


def test_a_registry_is_verified_and_listed(vqcast: Vqcast, chain: House) -> None:
    assert "sound" in vqcast("registry", "verify", chain.registry).stdout
    plain = json.loads(vqcast("registry", "verify", chain.registry, "--json").stdout)
    assert plain["sound"] is True and plain["violations"] == []
    listed = json.loads(vqcast("registry", "list", chain.registry, "--json").stdout)
    assert [row["id"] for row in listed] == [f"{ENSEMBLE}_seed{seed}" for seed in range(5)]
    assert f"{ENSEMBLE}_seed4" in vqcast("registry", "list", chain.registry).stdout


def test_a_rebuild_gives_the_same_bytes(vqcast: Vqcast, chain: House) -> None:
    plain = json.loads(
        vqcast(
            "registry", "verify", chain.registry, "--rebuild", "--corpus", chain.corpus_path,
            "--json",
        ).stdout
    )  # fmt: skip
    assert len(plain["rebuilt"]) == 5 and all(each["same_bytes"] for each in plain["rebuilt"])


def test_a_second_promotion_gives_the_same_bytes(
    vqcast: Vqcast, chain: House, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    done = vqcast(
        "promote", chain.run_dir, "--corpus", chain.corpus_path, "--registry", again, "--json"
    )
    plain = json.loads(done.stdout)
    assert len(plain["rows"]) == 5 and plain["max_abs_export_difference"] <= 1e-4
    assert contents(again) == contents(chain.registry)


def test_the_shipped_evidence_gives_its_verdict_to_anyone(vqcast: Vqcast, chain: House) -> None:
    assert "PROMOTE" in vqcast("gate", chain.registry / PREFIX, "--check").stdout


def test_violations_are_named_with_exit_1(vqcast: Vqcast, chain: House, tmp_path: Path) -> None:
    house = chain.copy(tmp_path)
    sidecar = f"{ENSEMBLE}_seed2.json"
    edit(house.registry / sidecar, lambda s: s["gate"].update(mean_plcc=0.99999))
    assert f"violation: {sidecar}" in vqcast("registry", "verify", house.registry, code=1).stdout
    reseal(house.registry)
    done = vqcast("registry", "verify", house.registry, "--json", code=1)
    assert any("gate block" in problem for problem in json.loads(done.stdout)["violations"])
    vqcast("registry", "verify", tmp_path / "absent", code=2)


def test_a_verdict_installs_nothing_until_it_is_asked_to(
    vqcast: Vqcast, refusal: Refusal, chain: House, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    words = ("pipeline", "--corpus", chain.corpus_path, "--out-dir", tmp_path / "run")
    done = vqcast(*words, "--registry", registry, "--epochs", 150)
    assert "PROMOTE" in done.stdout and not registry.exists()
    command = done.stdout.splitlines()[-1]
    assert command == (
        f"vqcast promote {tmp_path / 'run'} --corpus {chain.corpus_path} --registry {registry}"
    )
    assert "needs a registry" in refusal(*words, "--promote")
    done = vqcast(*words, "--registry", registry, "--epochs", 150, "--promote")
    assert "--promote: installed" in done.stdout
    vqcast(*command.split()[1:])  # the same again changes nothing
    vqcast("registry", "verify", tmp_path / "registry")
    assert len(list((tmp_path / "run").glob("train_seed*.log"))) == 5
    one, two = contents(tmp_path / "registry"), contents(chain.registry)
    assert {n: d for n, d in one.items() if n.endswith(".onnx")} == {
        n: d for n, d in two.items() if n.endswith(".onnx")
    }


def test_hold_stops_the_chain_with_exit_1(
    vqcast: Vqcast, refusal: Refusal, chain: House, tmp_path: Path
) -> None:
    corpus = held_corpus(tmp_path / "held.jsonl")
    registry = Path(shutil.copytree(chain.registry, tmp_path / "registry"))
    before = contents(registry)
    words = ("--corpus", corpus, "--registry", registry)
    done = vqcast("pipeline", *words, "--out-dir", tmp_path / "run", "--epochs", 2, code=1)
    assert "HOLD" in done.stdout and "investigate diversity" in done.stdout
    assert (tmp_path / "run" / "HOLD.json").is_file()
    assert "HOLD" in vqcast("gate", tmp_path / "run", "--check", code=1).stdout
    assert "HOLD" in refusal("promote", tmp_path / "run", *words, code=1)
    assert contents(registry) == before


def test_a_missing_or_small_corpus_points_to_the_builder(vqcast: Vqcast, tmp_path: Path) -> None:
    small = write_corpus(tmp_path / "small.jsonl", rows()[:99])
    for path in (tmp_path / "absent.jsonl", small):
        done = vqcast(
            "pipeline", "--corpus", path, "--out-dir", tmp_path / "run", "--registry",
            tmp_path / "registry", code=2,
        )  # fmt: skip
        assert "vqcast corpus build" in done.stderr and str(path) in done.stderr
    assert not (tmp_path / "run").exists() and not (tmp_path / "registry").exists()


def test_another_corpus_is_refused_at_promotion(
    refusal: Refusal, chain: House, tmp_path: Path
) -> None:
    other = write_corpus(tmp_path / "other.jsonl", rows(seed=4))
    sentence = refusal(
        "promote", chain.run_dir, "--corpus", other, "--registry", tmp_path / "registry"
    )
    assert "another corpus" in sentence and not (tmp_path / "registry").exists()


def test_what_is_trained_already_is_not_trained_again(vqcast: Vqcast, chain: House) -> None:
    before = contents(chain.run_dir)
    vqcast("train", "--corpus", chain.corpus_path, "--out-dir", chain.run_dir, "--epochs", 150)
    assert contents(chain.run_dir) == before
