"""``vqcast report`` and ``vqcast corpus plot``: what they write and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from vqcast.cli.corpus import plot
from vqcast.cli.report import report
from vqcast.errors import VqcastError
from vqcast.vocab import FEATURES


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    """Two clips at three qualities."""
    path = tmp_path / "c.jsonl"
    rows = [
        {"src": src, "encoder": "libx264", "preset": "fast", "cq": cq, "frame_index": frame}
        | {"vmaf": 99.0 - cq, "enc_bytes": 90_000 // cq, **dict.fromkeys(FEATURES, 0.5)}
        for src in ("a", "b")
        for cq in (20, 30, 40)
        for frame in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_report_is_of_one_run_or_one_registry(
    run_dir: Path, registry: Path, corpus_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.html"
    for said, words in (
        ("one of them", {}),
        ("one of them", {"run_dir": run_dir, "registry": registry}),
        ("no such run folder", {"run_dir": tmp_path / "absent"}),
        ("on this corpus", {"run_dir": run_dir, "corpus": corpus_file}),
        ("line 1", {"run_dir": run_dir, "tune": [Path(__file__)]}),
    ):
        with pytest.raises(VqcastError, match=said) as caught:
            report(out, **words)
        assert caught.value.exit_status == 2 and caught.value.hint
        assert not out.exists()


def test_a_corpus_is_drawn(corpus_file: Path, tmp_path: Path) -> None:
    everything, two = tmp_path / "all.svg", tmp_path / "two.png"
    plot(corpus_file, everything)
    assert everything.read_bytes().startswith(b"<?xml") and everything.stat().st_size > 9000
    plot(corpus_file, two, source=["a,b"])
    assert np.std(imread(two)[..., :3]) > 0.05


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [("c.png", ["a", "x"], "no source x"), ("c.pdf", None, "png or .svg"), ("c", None, "png")],
)
def test_what_cannot_be_drawn_is_refused(
    corpus_file: Path, tmp_path: Path, name: str, source: list[str] | None, said: str
) -> None:
    with pytest.raises(VqcastError, match=said) as caught:
        plot(corpus_file, tmp_path / name, source=source)
    assert caught.value.hint and not (tmp_path / name).exists()
