"""Signing: what is signed, that serials rise, and where keys may lie."""

from __future__ import annotations

import json
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from registry_kit import contents
from signing_kit import MODEL, Signed, build_signed
from typer.testing import CliRunner

from vqcast.cli.main import app
from vqcast.documents import jsontext
from vqcast.documents.registry import StatusEntry
from vqcast.durable.files import sha256_bytes
from vqcast.errors import InputError, MissingDependency, RegistryError, SignatureRefused
from vqcast.registry import law, seal
from vqcast.registry.sign import keygen, sign
from vqcast.serve import signature as checking
from vqcast.serve.folder import CHECKSUMS_NAME, SIGNATURE_NAME
from vqcast.serve.signature import opened
from vqcast.serve.trust import Trust

SHIPPED = Path(__file__).parents[3] / "model" / "tiny"
OLD = StatusEntry(state="deprecated", reason="small")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return build_signed(tmp_path_factory.mktemp("signed"))


@pytest.fixture
def house(pristine: Signed, tmp_path: Path) -> Signed:
    return pristine.copy(tmp_path)


def serial_of(registry: Path) -> int:
    return json.loads((registry / SIGNATURE_NAME).read_bytes())["statement"]["serial"]


def test_the_signature_is_ed25519_over_the_statement_and_nothing_of_ours_is_needed_to_check_it(
    house: Signed,
) -> None:
    document = json.loads((house.registry / SIGNATURE_NAME).read_bytes())
    statement = document["statement"]
    checksums = (house.registry / CHECKSUMS_NAME).read_bytes()
    assert statement["checksums_sha256"] == sha256_bytes(checksums)
    key = load_pem_public_key(house.public.read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    data = (json.dumps(statement, indent=2) + "\n").encode()
    key.verify(bytes.fromhex(document["signature"]), data)


def test_signing_adds_one_file_and_changes_no_other(house: Signed) -> None:
    before = contents(house.registry)
    sign(house.registry, house.private)
    after = contents(house.registry)
    assert before.keys() == after.keys()
    assert [name for name in after if after[name] != before[name]] == [SIGNATURE_NAME]
    assert SIGNATURE_NAME not in json.loads(after[CHECKSUMS_NAME])


def test_without_a_serial_it_is_the_time_and_rises(house: Signed) -> None:
    now = int(datetime.now(UTC).strftime("%Y%m%d%H%M%S"))
    serials = [sign(house.registry, house.private).statement.serial for _ in range(3)]
    assert now <= serials[0] < serials[1] < serials[2]
    assert serials[2] <= now + 200


@pytest.mark.parametrize("serial", [4, 5, 0, -1])
def test_a_serial_that_does_not_rise_is_refused(house: Signed, serial: int) -> None:
    before = contents(house.registry)
    with pytest.raises(InputError, match=f"serial {serial} is not above 5"):
        sign(house.registry, house.private, serial=serial)
    assert contents(house.registry) == before


def test_a_serial_too_large_to_rise_from_is_refused(house: Signed) -> None:
    with pytest.raises(InputError, match="is above 9007199254740991"):
        sign(house.registry, house.private, serial=2**53)


def test_a_change_drops_the_signature(house: Signed) -> None:
    seal.mark(house.registry, MODEL, OLD)
    assert SIGNATURE_NAME not in contents(house.registry)
    assert law.verify(house.registry) == []
    with pytest.raises(SignatureRefused, match="is not signed"):
        opened(house.registry, Trust(house.public))


def test_a_change_of_nothing_keeps_the_signature(house: Signed) -> None:
    before = contents(house.registry)
    seal.change(house.registry, lambda state: state)
    assert contents(house.registry) == before


def test_serials_rise_past_a_change_and_a_rollback(house: Signed) -> None:
    seal.mark(house.registry, MODEL, OLD)
    with pytest.raises(InputError, match="not above 5"):
        sign(house.registry, house.private, serial=5)
    sign(house.registry, house.private, serial=6)
    seal.rollback(house.registry)
    assert serial_of(house.registry) == 5
    opened(house.registry, Trust(house.public))
    with pytest.raises(InputError, match="not above 6"):
        sign(house.registry, house.private, serial=6)


def test_what_breaks_the_law_is_not_signed(house: Signed) -> None:
    (house.registry / "extra").write_bytes(b"")
    with pytest.raises(RegistryError, match="extra: is not listed"):
        sign(house.registry, house.private)
    (house.registry / "extra").unlink()
    registry = house.registry / "registry.json"
    document = json.loads(registry.read_bytes())
    document["models"][0]["smoke"] = False
    registry.write_bytes(jsontext.dump(document))
    digests = json.loads((house.registry / CHECKSUMS_NAME).read_bytes())
    digests["registry.json"] = sha256_bytes(registry.read_bytes())
    (house.registry / CHECKSUMS_NAME).write_bytes(jsontext.dump(digests))
    with pytest.raises(RegistryError, match=r"breaks the law and is not signed: .*no verdict"):
        sign(house.registry, house.private)


def test_keys_have_their_modes_and_are_never_overwritten(tmp_path: Path) -> None:
    private, public = keygen(tmp_path / "keys")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    before = contents(tmp_path / "keys")
    with pytest.raises(InputError, match="already exists"):
        keygen(tmp_path / "keys")
    assert contents(tmp_path / "keys") == before
    assert len(before) == 2


@pytest.mark.parametrize("git", ["folder", "file"])
def test_keys_are_not_written_into_a_checkout(tmp_path: Path, git: str) -> None:
    if git == "folder":
        (tmp_path / ".git").mkdir()
    else:  # a worktree or a submodule
        (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    inside = tmp_path / "a" / "b"
    with pytest.raises(InputError, match="git checkout"):
        keygen(inside)
    assert not inside.exists()


def test_keys_are_not_written_into_a_registry_nor_through_a_link(
    house: Signed, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(house.registry)
    for place in (house.registry, house.registry / "keys", tmp_path / "link" / "keys"):
        before = contents(house.registry)
        with pytest.raises(InputError, match="registry folder"):
            keygen(place)
        assert contents(house.registry) == before


def test_the_repository_ignores_keys() -> None:
    assert "*.pem" in (Path(__file__).parents[3] / ".gitignore").read_text().splitlines()


def test_a_private_key_that_everybody_can_use_is_refused(house: Signed, tmp_path: Path) -> None:
    exposed = tmp_path / "exposed.pem"
    exposed.write_bytes(house.private.read_bytes())
    exposed.chmod(0o644)
    with pytest.raises(InputError, match="everybody") as caught:
        sign(house.registry, exposed)
    assert caught.value.hint == f"chmod 600 {exposed}"


@pytest.mark.parametrize("what", ["public", "text", "empty", "rsa", "locked", "absent", "folder"])
def test_what_is_no_private_key_is_refused(house: Signed, tmp_path: Path, what: str) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    path = tmp_path / "key.pem"
    plain, secret = s.NoEncryption(), s.BestAvailableEncryption(b"x")
    data = {
        "public": house.public.read_bytes,
        "text": lambda: b"not a key",
        "empty": lambda: b"",
        "rsa": lambda: rsa.generate_private_key(65537, 2048).private_bytes(
            s.Encoding.PEM, s.PrivateFormat.PKCS8, plain
        ),
        "locked": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(
            s.Encoding.PEM, s.PrivateFormat.PKCS8, secret
        ),
    }
    if what in data:
        path.write_bytes(data[what]())
    elif what == "folder":
        path.mkdir()
    with pytest.raises(InputError, match=str(path)):
        sign(house.registry, path)


def test_without_cryptography_the_extra_is_named(
    house: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, name, None)
    for attempt in (
        lambda: sign(house.registry, house.private),
        lambda: keygen(tmp_path / "new"),
        lambda: opened(house.registry, Trust(house.public)),
    ):
        with pytest.raises(MissingDependency) as caught:
            attempt()
        assert caught.value.hint == "pip install 'vqcast[sign]'"
    opened(house.registry)  # a signed registry loads without it
    assert checking.read(opened(house.registry)) is not None
    assert not (tmp_path / "new").exists()


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_the_command_line_from_keys_to_a_verified_registry(tmp_path: Path, house: Signed) -> None:
    code, _ = run("registry", "keygen", "--out", tmp_path / "keys")
    private, public = sorted((tmp_path / "keys").iterdir())
    assert (code, private.name, public.name) == (0, "registry-private.pem", "registry-public.pem")
    code, said = run("registry", "sign", house.registry, "--key", private, "--serial", 7)
    assert code == 0 and "serial 7" in said
    code, said = run("registry", "verify", house.registry)
    assert code == 0 and "serial 7 (not checked: no --public-key)" in said
    verify = ("registry", "verify", house.registry, "--public-key", public, "--json")
    code, said = run(*verify, "--min-serial", 7, "--trust-file", tmp_path / "trust.json")
    document = json.loads(said)
    assert code == 0 and document["sound"]
    assert document["signature"]["serial"] == 7 and document["signature"]["checked"]
    code, said = run(*verify, "--min-serial", 8)
    document = json.loads(said)
    assert code == 1 and not document["signature"]["checked"]
    assert "its serial is 7, and 8 was asked for" in document["violations"][0]
    code, said = run("registry", "verify", house.registry, "--public-key", house.public)
    assert code == 1 and "is signed by the key" in said
    with pytest.raises(InputError, match="no public key"):
        run("registry", "verify", house.registry, "--require-signature")
    (house.registry / SIGNATURE_NAME).unlink()
    assert run("registry", "verify", house.registry)[1].endswith("; not signed\n")


@pytest.mark.slow
def test_evidence_is_judged_only_where_it_is_signed_as_asked(tmp_path: Path) -> None:
    corpus = SHIPPED.parents[1] / "data" / "networks" / "per_frame_canonical6.jsonl.gz"
    _, public = keygen(tmp_path / "keys")
    words = ("evaluate", "--corpus", corpus, "--registry", SHIPPED, "--public-key", public)
    with pytest.raises(SignatureRefused, match="is not signed"):
        run(*words)
