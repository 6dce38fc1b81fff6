"""A long title seen through looks: against all of it, twice, on one thread and on two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from vqcast.errors import InputError
from vqcast.forecast.scale import pooled
from vqcast.measured.cell import Cell
from vqcast.measured.probe import Prober
from vqcast.media.run import Cancelled
from vqcast.media.source import Source, probe
from vqcast.media.tool import Tool
from vqcast.metric import METRICS
from vqcast.tuning import sample as module
from vqcast.tuning import sampling
from vqcast.tuning.machine import Machine
from vqcast.tuning.sample import Sample
from vqcast.tuning.title import Title, is_sampled

Ffmpeg = Callable[..., Path]
FRAMES = 2600


@pytest.fixture(scope="module")
def film(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory, tool: Tool) -> Source:
    """Four scenes that are hard in different ways, 104 s."""
    part = FRAMES // 4
    scenes = (
        "mandelbrot=s=96x72:r=25:end_pts=400",
        "testsrc2=s=96x72:r=25,noise=alls=12:allf=t:all_seed=3",
        "mandelbrot=s=96x72:r=25:start_scale=0.2:end_pts=900,noise=alls=25:allf=t:all_seed=5",
        "life=s=96x72:r=25:mold=8:seed=7:ratio=0.3",
    )
    inputs = [word for scene in scenes for word in ("-f", "lavfi", "-i", scene)]
    cut = "".join(
        f"[{n}:v]trim=end_frame={part},setpts=N/25/TB,format=yuv420p[{n}];" for n in range(4)
    )
    return probe(
        ffmpeg(
            *inputs, "-filter_complex", f"{cut}[0][1][2][3]concat=n=4:v=1", "-c:v", "libx264",
            "-preset", "ultrafast", "-crf", "10", tmp_path_factory.mktemp("film") / "film.mkv",
        ),
        tool,
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def prober(film: Source, tool: Tool, cache: Path | None) -> Prober:
    return Prober(Cell(film, "libx264", "veryfast", 0), tool, cache)


def looking(
    given: Prober, allowed: float, machine: Machine | None = None, **more: object
) -> Sample:
    return Sample(given, machine or Machine(), "vmaf", "mean", allowed=allowed, **more)  # type: ignore[arg-type]


def test_looks_tell_the_whole_title(
    film: Source, tool: Tool, cache: Path, private_tmp: Path
) -> None:
    given = prober(film, tool, cache)
    with closing(looking(given, 2.0)) as sample:
        first, again = sample.probe(30.0), sample.probe(34.0)
        assert first is not None and again is not None
        assert list(private_tmp.iterdir())  # the pictures, for the next probe
        once_more = sample.probe(30.0)
    assert not list(private_tmp.iterdir())
    for crf, seen in ((30.0, first), (34.0, again)):
        whole, _ = given.measure(crf)
        score = float(whole.column("vmaf").mean())
        assert abs(seen.score - score) < 3 * seen.deviation
        assert seen.bytes_a_frame == pytest.approx(whole.enc_bytes / FRAMES, rel=0.4)
        features = [whole.column(name).mean() for name in module.FEATURES]
        assert np.allclose(seen.features, features, rtol=0.15, atol=0.4)
        assert seen.deviation < 1.5
    parts = sampling.FIRST_PARTS * sampling.LOOKS
    assert (first.looks, first.frames) == (parts, parts * sampling.LENGTH)
    assert first.scored == pytest.approx(first.frames / sampling.EVERY, abs=4)
    assert again.looks == parts // 2
    assert again.deviation >= first.deviation
    assert once_more is not None and once_more.reused and once_more.score == first.score


def test_nothing_is_decoded_or_encoded_again(
    film: Source, tool: Tool, cache: Path, private_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a film that an earlier run has looked at, its file need not even be there."""
    with closing(looking(prober(film, tool, cache), 1.0)) as sample:
        expected = sample.probe(30.0)

    def none(*_: object, **__: object) -> None:
        raise AssertionError("it was decoded again")

    monkeypatch.setattr(module, "gather_through", none)
    monkeypatch.setattr(module, "gather_by_seeking", none)
    with closing(looking(prober(film, tool, cache), 1.0, Machine(threads=1))) as sample:
        found = sample.probe(30.0)
    assert found is not None and expected is not None
    assert found.reused and found.score == expected.score


def test_pictures_over_the_budget_are_removed_and_made_again(
    film: Source, tool: Tool, private_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = prober(film, tool, None)
    with closing(looking(given, 1.0)) as sample:
        expected = sample.probe(30.0)
    part = sample._reel(0).bytes
    monkeypatch.setattr(module, "KEPT_BYTES", 2 * part)
    most: list[int] = []

    def tell(done: int, of: int) -> None:
        assert done >= 0 and (of == 0 or done <= of)
        most.append(sum(path.stat().st_size for path in private_tmp.rglob("*.yuv")))

    with closing(looking(given, 1.0, on_progress=tell)) as sample:
        assert sample.disk_bytes <= (2 + 4) * part
        found = sample.probe(30.0)
        (folder,) = private_tmp.iterdir()
        assert sorted(path.name for path in folder.iterdir()) == ["0.yuv", "1.yuv"]
        assert max(most) <= sample.disk_bytes + part
    assert found is not None and expected is not None
    assert found.score == expected.score and not list(private_tmp.iterdir())


def test_a_title_that_differs_too_much_is_encoded_whole(
    film: Source, tool: Tool, cache: Path, private_tmp: Path
) -> None:
    with closing(looking(prober(film, tool, cache), 0.001)) as sample:
        assert sample.probe(30.0) is None
    given = prober(film, tool, cache)
    with closing(
        Title(given, Machine(), "vmaf", "mean", target=90, sampled=True, allowed=0.001)
    ) as title:
        line, _ = title.probe(30.0)
        assert line.whole and line.frames == FRAMES and line.looks is None
        assert not title.sampled and title.error == 0


def test_harmonic_means_are_looked_at_too(
    film: Source, tool: Tool, cache: Path, private_tmp: Path
) -> None:
    given = prober(film, tool, cache)
    whole = given.measure(30.0)[0].column("vmaf")
    with closing(Sample(given, Machine(), "vmaf", "harmonic", allowed=2.0)) as sample:
        seen = sample.probe(30.0)
    assert seen is not None
    assert abs(seen.score - (1 / np.mean(1 / (whole + 1)) - 1)) < 3 * seen.deviation


@pytest.mark.parametrize("name", ["xpsnr", "ssim"])
def test_metrics_of_other_scales_are_looked_at_too(
    name: str, film: Source, tool: Tool, private_tmp: Path
) -> None:
    metric = METRICS[name]
    given = Prober(Cell(film, "libx264", "veryfast", 0, also=(name,), vmaf=False), tool, None)
    with closing(Sample(given, Machine(), name, "mean", allowed=4.0)) as sample:
        seen = sample.probe(30.0)
    assert seen is not None
    whole = given.measure(30.0)[0]
    score = pooled(metric, {each: whole.column(each) for each in whole.columns}, "mean", 25)
    assert 0 < seen.deviation < 8 * metric.point
    assert "vmaf" not in whole.columns and np.isnan(seen.features).all()
    assert abs(seen.score - score) < 3 * seen.deviation


def test_a_cancelled_look_leaves_nothing(film: Source, tool: Tool, private_tmp: Path) -> None:
    cancel = threading.Event()
    given = Prober(Cell(film, "libx264", "veryslow", 0), tool, None, cancel)
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(Cancelled), closing(looking(given, 1.0)) as sample:
        sample.probe(30.0)
    assert not list(private_tmp.iterdir())


def test_too_little_space_names_the_option(
    film: Source, tool: Tool, private_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module.shutil, "disk_usage", lambda path: module.shutil._ntuple_diskusage(9, 8, 1)
    )  # type: ignore[attr-defined]
    with (
        pytest.raises(InputError, match="GB free") as refused,
        closing(looking(prober(film, tool, None), 1.0)) as sample,
    ):
        sample.probe(30.0)
    assert "--temp-dir" in str(refused.value.hint)


def test_which_titles_are_looked_at(film: Source, pattern_source: Source) -> None:
    assert is_sampled(film, "mean", None) and is_sampled(film, "harmonic", None)
    assert not is_sampled(film, "p1", None) and not is_sampled(film, "p1", False)
    assert not is_sampled(film, "mean", True)
    assert not is_sampled(pattern_source, "mean", None)
    assert is_sampled(pattern_source, "mean", False)


def test_a_machine_has_threads_and_a_folder(tmp_path: Path) -> None:
    assert Machine(threads=3).cores == 3 and Machine().cores >= 1
    with pytest.raises(InputError, match="1 or more"):
        Machine(threads=0)
    with pytest.raises(InputError, match="is not a folder"):
        Machine(temp_dir=tmp_path / "absent")


def test_the_doubt_is_that_of_the_probe_nearest_to_the_target(
    film: Source, tool: Tool, cache: Path, private_tmp: Path
) -> None:
    """What starting anew changes grows with the distance to 100, so a poor probe says too much."""
    given = prober(film, tool, cache)
    with closing(
        Title(given, Machine(), "vmaf", "mean", target=99, sampled=True, allowed=3.0)
    ) as title:
        good, _ = title.probe(30.0)
        poor, _ = title.probe(44.0)
        assert poor.deviation > good.deviation
        assert title.error == pytest.approx(good.deviation, abs=1e-4)


def test_a_title_of_few_key_frames_is_decoded_once_for_all_that_may_be_asked_for(
    film: Source, tool: Tool, private_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(reels: list[module.Reel], *words: object, **named: object) -> None:
        calls.append(len(reels))
        gather_through(reels, *words, **named)  # type: ignore[arg-type]

    gather_through = module.gather_through
    monkeypatch.setattr(module, "gather_through", counted)
    most = sampling.most_parts(FRAMES)
    with closing(looking(prober(film, tool, None), 1.0, Machine(threads=1))) as sample:
        sample._measure(30.0, range(sampling.FIRST_PARTS))
        sample._measure(30.0, range(most))
    assert calls == [most] and most > sampling.FIRST_PARTS
