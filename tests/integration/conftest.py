"""The command line as a user runs it: real processes, real files, no traceback ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_kit import Vqcast
from registry_kit import House, write_corpus

COMMAND = (sys.executable, "-m", "vqcast.cli.main")


@pytest.fixture(scope="session")
def vqcast(tmp_path_factory: pytest.TempPathFactory, python_environment: dict[str, str]) -> Vqcast:
    """``vqcast(*words, code=0)``: run it elsewhere than here and check its exit code."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(
        *words: object, code: int = 0, cwd: Path = elsewhere
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            capture_output=True, text=True, timeout=180, cwd=cwd, env=python_environment,
        )  # fmt: skip
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def refusal(vqcast: Vqcast) -> Callable[..., str]:
    """``refusal(*words, code=2)``: the one sentence with which the command is refused."""

    def run(*words: object, code: int = 2) -> str:
        done = vqcast(*words, code=code)
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert done.stdout == "" and len(lines) == 1, done.stdout + done.stderr
        return lines[0].removeprefix("error: ")

    return run


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, vqcast: Vqcast) -> House:
    """Corpus, run and registry, each made by its command. Tests copy what they change."""
    folder = tmp_path_factory.mktemp("chain")
    house = House(write_corpus(folder / "corpus.jsonl"), folder / "run", folder / "registry")
    vqcast("train", "--corpus", house.corpus_path, "--out-dir", house.run_dir, "--epochs", 150)
    vqcast("gate", house.run_dir)
    vqcast("promote", house.run_dir, "--corpus", house.corpus_path, "--registry", house.registry)
    return house
