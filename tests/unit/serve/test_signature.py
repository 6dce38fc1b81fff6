"""The consumer's side of a signature: what is caught, by whom, and what is remembered."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from registry_kit import edit, reseal
from signing_kit import GOLDEN, MODEL, Signed, build_signed

import vqcast
from vqcast.durable.files import sha256_bytes
from vqcast.errors import InputError, RegistryError, SignatureRefused, VqcastError
from vqcast.registry import law
from vqcast.registry.sign import keygen, sign
from vqcast.serve.folder import CHECKSUMS_NAME, SIGNATURE_NAME, Folder
from vqcast.serve.signature import check, opened
from vqcast.serve.trust import Trust

FEATURES = [[0.97, 0.60, 0.90, 0.94, 0.96, 4.2]]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return build_signed(tmp_path_factory.mktemp("signed"))


@pytest.fixture
def mine(signed: Signed, tmp_path: Path) -> Signed:
    return signed.copy(tmp_path)


def load(house: Signed, **asked: object) -> vqcast.Predictor:
    asked = {"public_key": house.public, "require_signature": True} | asked
    return vqcast.load(MODEL, house.registry, allow_smoke=True, trust=Trust(**asked))


def test_a_signed_registry_loads_with_its_key_and_predicts_the_same(mine: Signed) -> None:
    with_key = load(mine, min_serial=5).predict(FEATURES, encoder="libx264", cq=28)
    without = vqcast.load(MODEL, mine.registry, allow_smoke=True)
    assert with_key.pooled_mean == without.predict(FEATURES, encoder="libx264", cq=28).pooled_mean


@pytest.mark.parametrize(
    "asked", [{"require_signature": True}, {"min_serial": 1}, {"trust_file": "trust.json"}]
)
def test_asking_without_a_key_is_an_error_not_a_pass(mine: Signed, asked: dict) -> None:
    with pytest.raises(InputError, match="no public key"):
        vqcast.load(MODEL, mine.registry, allow_smoke=True, trust=Trust(**asked))


def test_a_key_asks_for_a_signature(mine: Signed) -> None:
    (mine.registry / SIGNATURE_NAME).unlink()
    with pytest.raises(SignatureRefused, match="is not signed"):
        load(mine, require_signature=False)


def test_a_forger_who_makes_every_digest_agree_is_caught_by_the_key_alone(mine: Signed) -> None:
    def shift(sidecar: dict) -> None:
        sidecar["feature_mean"][0] += 0.5

    signature = (mine.registry / SIGNATURE_NAME).read_bytes()
    edit(mine.registry / f"{MODEL}.json", shift)
    reseal(mine.registry)
    digests = json.loads((mine.registry / CHECKSUMS_NAME).read_bytes())
    digests.pop(SIGNATURE_NAME)
    (mine.registry / CHECKSUMS_NAME).write_text(json.dumps(digests, indent=2) + "\n")
    vqcast.load(MODEL, mine.registry, allow_smoke=True)  # the point of signing
    assert (mine.registry / SIGNATURE_NAME).read_bytes() == signature
    with pytest.raises(SignatureRefused, match="is of another checksums"):
        load(mine)
    checksums = (mine.registry / CHECKSUMS_NAME).read_bytes()
    edit(
        mine.registry / SIGNATURE_NAME,
        lambda s: s["statement"].update(checksums_sha256=sha256_bytes(checksums)),
    )
    with pytest.raises(SignatureRefused, match="the signature is not by"):
        load(mine)


def test_a_whole_folder_by_another_signer_is_caught(mine: Signed, tmp_path: Path) -> None:
    right = json.loads((mine.registry / SIGNATURE_NAME).read_bytes())["key"]
    other, _ = keygen(tmp_path / "other")
    sign(mine.registry, other)
    with pytest.raises(SignatureRefused, match="is signed by the key"):
        load(mine)
    edit(mine.registry / SIGNATURE_NAME, lambda s: s.update(key=right))
    with pytest.raises(SignatureRefused, match="the signature is not by"):
        load(mine)


def test_a_serial_raised_by_hand_is_caught(mine: Signed) -> None:
    edit(mine.registry / SIGNATURE_NAME, lambda s: s["statement"].update(serial=9))
    with pytest.raises(SignatureRefused, match="the signature is not by"):
        load(mine, min_serial=9)


def test_an_older_folder_is_caught_by_the_asked_serial(mine: Signed) -> None:
    with pytest.raises(SignatureRefused, match="its serial is 5, and 6 was asked for"):
        load(mine, min_serial=6)


def test_an_older_folder_is_caught_by_memory(mine: Signed, tmp_path: Path) -> None:
    trust, older = tmp_path / "trust.json", tmp_path / "older"
    shutil.copytree(mine.registry, older)
    load(mine, trust_file=trust)
    sign(mine.registry, mine.private, serial=6)
    load(mine, trust_file=trust)
    load(mine, trust_file=trust)
    remembered = trust.read_bytes()
    shutil.rmtree(mine.registry)
    older.rename(mine.registry)
    load(mine)  # without memory nothing tells
    with pytest.raises(SignatureRefused, match="its serial is 5, and 6 was seen before"):
        load(mine, trust_file=trust)
    assert trust.read_bytes() == remembered


def test_memory_keeps_keys_apart(mine: Signed, tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    load(mine, trust_file=trust)
    private, public = keygen(tmp_path / "other")
    shutil.rmtree(tmp_path / "registry")
    shutil.copytree(GOLDEN, mine.registry)
    (mine.registry / SIGNATURE_NAME).unlink()
    sign(mine.registry, private, serial=2)
    load(Signed(mine.registry, private, public), trust_file=trust)
    assert sorted(json.loads(trust.read_bytes())["serials"].values()) == [2, 5]


def test_what_is_refused_is_not_remembered(mine: Signed, tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    (mine.registry / "extra").write_bytes(b"")
    with pytest.raises(RegistryError):
        load(mine, trust_file=trust)
    (mine.registry / "extra").unlink()
    edit(mine.registry / SIGNATURE_NAME, lambda s: s["statement"].update(serial=9))
    with pytest.raises(SignatureRefused):
        load(mine, trust_file=trust)
    assert not trust.exists()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"serials": {"x": 1}}', b"\xff"])
def test_a_damaged_memory_is_an_error_not_a_fresh_start(
    mine: Signed, tmp_path: Path, data: bytes
) -> None:
    trust = tmp_path / "trust.json"
    trust.write_bytes(data)
    with pytest.raises(InputError, match=r"trust\.json"):
        load(mine, trust_file=trust)
    assert trust.read_bytes() == data


def test_readers_at_once_remember_the_highest(mine: Signed, tmp_path: Path) -> None:
    folders = []
    for serial in range(6, 12):
        sign(mine.registry, mine.private, serial=serial)
        folders.append(Path(shutil.copytree(mine.registry, tmp_path / f"at{serial}")))
    trust = Trust(mine.public, trust_file=tmp_path / "trust.json")

    def accepted(folder: Path) -> bool:
        try:
            opened(folder, trust)
        except SignatureRefused:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert any(pool.map(accepted, folders))
    assert accepted(folders[-1]) and not any(map(accepted, folders[:-1]))


def test_every_flipped_bit_of_the_signature_file_is_refused(signed: Signed) -> None:
    folder = Folder(signed.registry)
    trust = Trust(signed.public)
    check(folder, trust)
    whole = folder.files[SIGNATURE_NAME]
    bits = range(len(whole) * 8)
    for bit in np.random.default_rng(7).choice(bits, 1_000, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        folder.files[SIGNATURE_NAME] = bytes(damaged)
        with pytest.raises(SignatureRefused):
            check(folder, trust)


def test_every_truncation_of_the_signature_file_is_refused(signed: Signed) -> None:
    folder = Folder(signed.registry)
    whole = folder.files[SIGNATURE_NAME]
    for length in range(len(whole)):
        folder.files[SIGNATURE_NAME] = whole[:length]
        with pytest.raises(SignatureRefused):
            check(folder, Trust(signed.public))


def test_a_signature_for_another_purpose_is_none_of_ours(mine: Signed) -> None:
    """The same key may sign other things: what it says it signs is part of what is signed."""
    edit(mine.registry / SIGNATURE_NAME, lambda s: s["statement"].update(purpose="release"))
    with pytest.raises(SignatureRefused, match="purpose"):
        load(mine)


@pytest.mark.parametrize("what", ["private", "text", "empty", "huge", "absent", "rsa"])
def test_what_is_no_public_key_is_refused(mine: Signed, tmp_path: Path, what: str) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import rsa

    path = tmp_path / "key.pem"
    if what != "absent":
        rsa_key = rsa.generate_private_key(65537, 2048).public_key()
        path.write_bytes(
            {
                "private": mine.private.read_bytes(),
                "text": b"not a key",
                "empty": b"",
                "huge": bytes(1 << 20),
                "rsa": rsa_key.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo),
            }[what]
        )
    with pytest.raises(InputError, match=str(path)) as caught:
        load(mine, public_key=path)
    assert not isinstance(caught.value, SignatureRefused)


def test_verify_names_a_stale_signature_without_any_key(mine: Signed) -> None:
    edit(mine.registry / SIGNATURE_NAME, lambda s: s["statement"].update(checksums_sha256="0" * 64))
    (problem,) = law.verify(mine.registry)
    assert "is of another checksums.json" in problem


def test_a_refusal_is_one_sentence_and_exit_2(mine: Signed) -> None:
    (mine.registry / SIGNATURE_NAME).write_bytes(b"{")
    with pytest.raises(VqcastError) as caught:
        load(mine)
    assert caught.value.exit_status == 2
    assert "\n" not in caught.value.message and caught.value.hint
