"""Mutated documents for every parser: it understands them or refuses them, and nothing else.

A mutation cuts, repeats, flips, splices or replaces bytes of a sound document,
or puts in what parsers trip over. Any exception that is not ours is wrong.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import vqcast
from attacks.count import Count, scratch
from attacks.disk import materialise
from attacks.editions import FEATURES, editions
from attacks.graph_tricks import honest
from attacks.graphs import HOSTILE
from vqcast import documents
from vqcast.corpus.provenance import read_manifest
from vqcast.corpus.table import load
from vqcast.documents import jsontext
from vqcast.documents.evidence import IntervalReport, LosoReport, Verdict
from vqcast.documents.model import Manifest, MeanSidecar, Sidecar, SingleSidecar
from vqcast.documents.reading import ModelInfo
from vqcast.documents.registry import Registry, Status
from vqcast.errors import VqcastError
from vqcast.evidence import folder as evidence
from vqcast.evidence import gate
from vqcast.media.measure import parse_log
from vqcast.metric import VMAF
from vqcast.registry import law
from vqcast.regressor.spec import ENSEMBLE
from vqcast.serve import guard
from vqcast.serve.folder import CHECKSUMS_NAME, REGISTRY_NAME, packaged_registry

SCRAPS = [
    b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"null", b"NaN", b"-Infinity", b"1e999", b"-0",
    b"1" * 5000, b"[" * 70, b'{"a":' * 70, b'"', b"\\", b"\\ud800", b"{}", b"[]", b'""', b"true",
    b"9" * 400, b"0.1e-400", b"\t", b"\r\n", b"\n\n", b",", b":", b'"sha256"', b"../../etc/passwd",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\x0a\xff\xff\xff\xff\x0f", b"1" + b"0" * 40,
]  # fmt: skip


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """``data`` after one to four changes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 2, 8, 64, 512)))
        kind = rng.randrange(7)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at:end]
        elif kind == 2:
            changed[at:at] = changed[at:end] * rng.choice((1, 1, 3))
        elif kind == 3:
            changed[at:end] = rng.choice(SCRAPS)
        elif kind == 4:
            changed[at:at] = rng.choice(SCRAPS)
        elif kind == 5:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            changed[at:end] = other[start : start + rng.choice((4, 40, 400))]
        else:
            changed[at:] = b"" if rng.randrange(4) == 0 else changed[at:]
    return bytes(changed)


def mutated_value(data: bytes, rng: random.Random) -> bytes:
    """A JSON document with one value of it replaced, and still JSON."""
    document = json.loads(data)
    places: list[tuple[dict | list, object]] = []

    def walk(value: object) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            places.append((value, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(document)
    holder, key = rng.choice(places)
    strange = (None, True, 0, -1, 2**63, 10**400, 0.5, 1e308, "", "x", "\0", "../x", [], {}, [None],
               {"a": 1}, "9" * 300)  # fmt: skip
    if rng.randrange(5) == 0:
        del holder[key]
    else:
        holder[key] = rng.choice(strange)
    return json.dumps(document).encode()


@dataclass(frozen=True)
class Target:
    """A parser, and sound documents to begin with."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    is_json: bool = True
    is_slow: bool = False
    """Given an eighth of the documents."""


def _file(end: str) -> bytes:
    return next(data for name, data in sorted(editions()[0].files.items()) if name.endswith(end))


def _log() -> bytes:
    row = dict.fromkeys(VMAF.logged.values(), 0.5)
    frames = [{"frameNum": number, "metrics": row} for number in range(3)]
    return json.dumps({"version": "3", "frames": frames, "pooled_metrics": {}}).encode()


def _document(kind: type) -> Callable[[bytes], object]:
    return lambda data: documents.from_bytes(kind, data, where="fuzz.json")


def _in_registry(name: str) -> Callable[[bytes], object]:
    """The whole law over a registry in which one file is another."""
    return lambda data: law.violations(editions()[0].files | {name: data})


def _loaded(name: str) -> Callable[[bytes], object]:
    """A registry with one file in another's place and its checksums made to agree, asked to score.

    Raises what ``load`` and ``predict`` raise.
    """

    def parse(data: bytes) -> object:
        files = editions()[0].files | {name: data}
        del files[CHECKSUMS_NAME]
        with scratch() as folder:
            materialise(files, folder)
            (folder / CHECKSUMS_NAME).write_bytes(jsontext.dump(law.digest_of(files)))
            return vqcast.load(registry=folder).predict(FEATURES, encoder="libx264", cq=28)

    return parse


def _judged(data: bytes) -> object:
    files = {name.rpartition("/")[2]: data for name, data in editions()[0].files.items()}
    found = evidence.parse(files | {"loso_seed0.json": data}, where="fuzz")
    return gate.judge(
        found.reports, found.digests, ENSEMBLE, generated_at_utc="2026-01-01T00:00:00Z"
    )


def _by_path(name: str, read: Callable[..., object]) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        with scratch() as folder:
            (folder / name).write_bytes(data)
            return read(folder / name)

    return parse


@cache
def targets() -> dict[str, Target]:
    """Every parser by name."""
    named = f"{ENSEMBLE.id}_seed0.json"
    sidecar, manifest = _file(named), _file(f"{ENSEMBLE.id}.json")
    single, one_graph, intervals = (
        (packaged_registry() / name).read_bytes()
        for name in ("fr_regressor_v2.json", f"{ENSEMBLE.mean_id}.json",
                     f"{evidence.prefix(ENSEMBLE.id)}{evidence.INTERVALS_NAME}")
    )  # fmt: skip
    loso, verdict, registry = _file("loso_seed0.json"), _file("PROMOTE.json"), _file(REGISTRY_NAME)
    status = b'{"schema_version": 1, "models": {"a": {"state": "deprecated", "reason": "x"}}}'
    tsv = b"file\tgroup\tlicence\na.mkv\tone\tCC0\nb.mkv\ttwo\tCC BY 3.0\n"
    corpus = b"".join(
        jsontext.dump_line(
            {"src": "a", "encoder": "libx264", "cq": 20, "frame_index": n, "vmaf": 90.5}
            | dict.fromkeys(("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3",
                             "motion2"), 0.5)
        )
        for n in range(4)
    )  # fmt: skip
    graphs = (honest(), *(HOSTILE[what]() for what in ("If", "sparse attribute", "cycle")))
    every = (sidecar, manifest, loso, verdict, registry)
    return {
        "strict JSON": Target(lambda data: jsontext.parse(data, where="fuzz"), every),
        "libvmaf's log": Target(
            lambda data: parse_log(data, 3, VMAF.logged, what="fuzz"), (_log(),)
        ),
        "ONNX guard": Target(lambda data: guard.parse(data, where="fuzz"), graphs, False),
        "registry.json": Target(_document(Registry), (registry,)),
        "sidecar": Target(_document(Sidecar), (sidecar,)),
        "single model's sidecar": Target(_document(SingleSidecar), (single,)),
        "one graph's sidecar": Target(_document(MeanSidecar), (one_graph,)),
        "anybody's sidecar": Target(_document(ModelInfo), (sidecar, single, one_graph)),
        "manifest": Target(_document(Manifest), (manifest,)),
        "status.json": Target(_document(Status), (status,)),
        "verdict": Target(_document(Verdict), (verdict,)),
        "intervals.json": Target(_document(IntervalReport), (intervals,)),
        "loso_seed.json": Target(_document(LosoReport), (loso,)),
        "the gate on evidence": Target(_judged, (loso,)),
        "the law on registry.json": Target(_in_registry(REGISTRY_NAME), (registry,), is_slow=True),
        "the law on a sidecar": Target(_in_registry(named), (sidecar,), is_slow=True),
        "the law on a verdict": Target(
            _in_registry(ENSEMBLE.verdict_name), (verdict,), is_slow=True
        ),
        "load with another registry.json": Target(
            _loaded(REGISTRY_NAME), (registry,), is_slow=True
        ),
        "load with another sidecar": Target(
            _loaded(named), (sidecar,), is_slow=True
        ),
        "load with another manifest": Target(
            _loaded(f"{ENSEMBLE.id}.json"), (manifest,), is_slow=True
        ),
        "MANIFEST.tsv": Target(_by_path("m.tsv", read_manifest), (tsv,), False),
        "corpus": Target(
            _by_path("c.jsonl", lambda path: load(path, min_rows=1)), (corpus,), False
        ),
    }  # fmt: skip


def fuzz(name: str, n: int, rng: random.Random) -> Count:
    """``n`` mutated documents for one parser, fewer for a slow one."""
    count = Count()
    target = targets()[name]
    for number in range(n // 8 if target.is_slow else n):
        seed = rng.choice(target.seeds)
        if target.is_json and number % 2:
            data = mutated_value(seed, rng)
        else:
            data = mutated(seed, list(target.seeds), rng)
        try:
            target.parse(data)
        except VqcastError as error:
            str(error).encode()  # its words can be printed
            count.note("refused")
        except Exception as error:
            count.fail(f"{name}: {type(error).__name__}: {error} on {data[:200]!r}")
        else:
            count.note("understood")
    return count


def every_parser(n: int, rng: random.Random) -> Count:
    """``n`` mutated documents, shared among all parsers."""
    count = Count()
    for name in targets():
        one = fuzz(name, n // len(targets()), rng)
        count.attempts += one.attempts
        count.outcomes += one.outcomes
        count.wrong += one.wrong
    return count
