"""What a user without an extra can do: everything starts, and says which extra it wants."""

from __future__ import annotations

import subprocess
import sys

EXTRAS = (
    "av", "cryptography", "dask", "distributed", "fsspec", "imageio_ffmpeg", "jinja2",
    "matplotlib", "numba", "polars", "pyarrow", "s3fs", "scipy", "torch",
)  # fmt: skip
WITHOUT = f"""
import importlib.machinery, sys

found = importlib.machinery.PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {EXTRAS!r} else found(name, path, target)

importlib.machinery.PathFinder.find_spec = find_spec
from vqcast.cli.main import main
sys.argv = ["vqcast", *sys.argv[1:]]
main()
"""


def bare(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command on a machine with vqcast's own dependencies and nothing else."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *words],
        capture_output=True, text=True, timeout=120, env=environment,
    )  # fmt: skip


def test_help_verify_and_gate_need_no_extra(python_environment: dict[str, str]) -> None:
    from vqcast.serve.folder import packaged_registry

    tiny, forecast = packaged_registry(), packaged_registry("forecast")
    for words in (
        ("--help",),
        ("tune", "--help"),
        ("registry", "verify", str(tiny)),
        ("registry", "verify", str(forecast)),
        ("gate", str(tiny / "evidence" / "fr_regressor_v1"), "--check"),
        ("gate", str(forecast / "evidence" / "crf_forecast_v1"), "--check"),
    ):
        done = bare(*words, environment=python_environment)
        assert done.returncode == 0, (words, done.stderr)


def test_what_needs_an_extra_names_it(python_environment: dict[str, str]) -> None:
    for words in (
        ("tune", "film.mkv", "--encoder", "libx264", "--target", "90"),
        ("train", "--corpus", "corpus.jsonl", "--out-dir", "run"),
        ("train", "--model", "crf_forecast_v1", "--corpus", "c.jsonl", "--out-dir", "run"),
        ("corpus", "plot", "corpus.jsonl", "-o", "x.png"),
        ("corpus", "datasheet", "corpus.jsonl", "--out", "x.md"),
        ("registry", "cards", "--out", "x"),
        ("evaluate", "--corpus", "corpus.jsonl"),
    ):
        done = bare(*words, environment=python_environment)
        assert done.returncode == 2 and "Traceback" not in done.stderr, (words, done.stderr)
        assert "pip install 'vqcast[" in done.stderr, (words, done.stderr)
