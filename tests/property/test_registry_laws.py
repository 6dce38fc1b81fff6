"""Laws of a registry's rows, of its canonical bytes and of a run folder's verdict."""

from __future__ import annotations

import json

import msgspec
from attacks.count import scratch
from attacks.editions import editions, houses
from hypothesis import given, settings
from hypothesis import strategies as st

from vqcast import documents
from vqcast.documents import jsontext
from vqcast.documents.evidence import Verdict
from vqcast.documents.registry import Registry
from vqcast.errors import VqcastError
from vqcast.evidence import folder as evidence
from vqcast.evidence.gate import HOLD, PROMOTE
from vqcast.registry import law
from vqcast.registry.seal import sealed
from vqcast.serve.folder import CHECKSUMS_NAME, REGISTRY_NAME

VERDICT = evidence.read_verdict(Verdict, houses()[0].run_dir)[0]


def with_rows(change) -> list[str]:
    """What the law says of a registry whose rows were changed."""
    files = dict(editions()[0].files)
    document = json.loads(files[REGISTRY_NAME])
    document["models"] = change(document["models"])
    return law.violations(files | {REGISTRY_NAME: jsontext.dump(document)})


@settings(max_examples=25)
@given(st.permutations(range(5)))
def test_rows_in_any_order_but_that_of_their_ids_break_the_law(order) -> None:
    problems = with_rows(lambda rows: [rows[number] for number in order])
    assert any("not sorted by id" in each for each in problems) == (order != sorted(order))


@settings(max_examples=25)
@given(st.integers(0, 4), st.text(max_size=66))
def test_an_id_is_short_and_plain_or_the_registry_is_refused(number, name) -> None:
    def rename(rows):
        rows[number]["id"] = name
        return rows

    assert with_rows(rename)  # no other id speaks for that file either


@settings(max_examples=40)
@given(st.integers(0, 4), st.text("0123456789abcdefABCDEFg", min_size=60, max_size=66))
def test_any_other_digest_breaks_the_law(number, digest) -> None:
    def pin(rows):
        rows[number]["sha256"] = digest
        return rows

    assert with_rows(pin)


@settings(max_examples=30)
@given(st.permutations(range(5)), st.permutations(range(8)))
def test_sealing_gives_the_same_bytes_whatever_order_things_come_in(rows, files) -> None:
    package = editions()[0].package
    names = sorted(package.files)
    shuffled = [names[number] for number in files if number < len(names)]
    given_files = {name: package.files[name] for name in [*shuffled, *names]}
    made = sealed([package.rows[number] for number in rows], given_files)
    assert made == editions()[0].files
    assert list(json.loads(made[CHECKSUMS_NAME])) == sorted(set(made) - {CHECKSUMS_NAME})


@settings(max_examples=30)
@given(st.lists(st.sampled_from([PROMOTE, HOLD]), min_size=1, max_size=6))
def test_writing_one_verdict_removes_the_other(kinds) -> None:
    with scratch() as folder:
        for kind in kinds:
            verdict = msgspec.structs.replace(VERDICT, verdict=kind)
            evidence.write_verdict(folder, verdict)
            assert [path.name for path in folder.iterdir()] == [f"{kind}.json"]
            assert evidence.read_verdict(Verdict, folder)[0] == verdict


@settings(max_examples=60)
@given(st.sampled_from([Verdict, Registry]), st.data())
def test_documents_come_back_from_their_canonical_bytes(kind, data) -> None:
    """Encoding what was decoded gives canonical bytes; doing so again changes nothing."""
    sound = {Verdict: documents.to_bytes(VERDICT), Registry: editions()[0].files[REGISTRY_NAME]}
    document = json.loads(sound[kind])
    key = data.draw(st.sampled_from(sorted(document)))
    document[key] = data.draw(st.just(document[key]) | st.text(max_size=4) | st.integers(0, 3))
    try:
        read = documents.from_bytes(kind, json.dumps(document).encode(), where="here")
    except VqcastError:
        return
    canonical = documents.to_bytes(read)
    assert documents.from_bytes(kind, canonical, where="here") == read
    assert documents.to_bytes(documents.from_bytes(kind, canonical, where="here")) == canonical
