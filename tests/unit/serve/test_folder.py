"""A registry folder as a reader sees it: links, the packaged folder, foreign shapes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from registry_kit import MEMBER, House, contents, reseal

import vqcast
from vqcast.errors import RegistryError, VqcastError
from vqcast.serve.folder import Folder, packaged_registry

ONNX = f"{MEMBER}.onnx"


def test_a_whole_folder_has_no_problems_and_all_its_bytes(pristine: House) -> None:
    folder = Folder(pristine.registry)
    assert folder.problems == [] and folder.files == contents(pristine.registry)
    folder.require_whole()


def test_a_link_that_leads_out_is_refused_even_with_the_right_bytes(
    house: House, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.onnx"
    (house.registry / ONNX).rename(outside)
    for target in (outside, Path(os.path.relpath(outside, house.registry))):
        (house.registry / ONNX).symlink_to(target)
        with pytest.raises(RegistryError, match="link that leads out"):
            vqcast.load(registry=house.registry)
        (house.registry / ONNX).unlink()


def test_a_chain_of_links_that_ends_outside_is_refused(house: House, tmp_path: Path) -> None:
    (house.registry / ONNX).rename(tmp_path / "out.onnx")
    (house.registry / "hop").symlink_to(tmp_path / "out.onnx")
    (house.registry / ONNX).symlink_to("hop")
    reseal(house.registry)
    with pytest.raises(RegistryError, match="link that leads out"):
        vqcast.load(registry=house.registry)


def test_a_linked_folder_that_leads_out_is_refused(house: House, tmp_path: Path) -> None:
    (house.registry / "evidence").rename(tmp_path / "evidence")
    (house.registry / "evidence").symlink_to(tmp_path / "evidence")
    with pytest.raises(RegistryError):
        vqcast.load(registry=house.registry)


def test_a_link_inside_is_fine(house: House) -> None:
    (house.registry / "blobs").mkdir()
    (house.registry / ONNX).rename(house.registry / "blobs" / "a")
    (house.registry / ONNX).symlink_to("blobs/a")
    reseal(house.registry)
    assert vqcast.load(registry=house.registry).size == 5


def test_a_hard_link_is_a_file_like_any_other(house: House, tmp_path: Path) -> None:
    """Caches of installers make them; what is used are the bytes that were digested."""
    os.link(house.registry / ONNX, tmp_path / "outside.onnx")
    predictor = vqcast.load(MEMBER, house.registry)
    before = predictor.predict([[0.9] * 6], encoder="libx264", cq=28).pooled_mean
    (tmp_path / "outside.onnx").write_bytes(b"changed through the other name")
    assert predictor.predict([[0.9] * 6], encoder="libx264", cq=28).pooled_mean == before
    with pytest.raises(RegistryError, match="differs from its digest"):
        vqcast.load(MEMBER, house.registry)


def test_a_link_to_nothing_or_to_itself_is_refused(house: House) -> None:
    (house.registry / ONNX).unlink()
    for target in ("nothing", ONNX):
        (house.registry / ONNX).symlink_to(target)
        with pytest.raises(RegistryError, match=ONNX):
            vqcast.load(registry=house.registry)
        (house.registry / ONNX).unlink()


def test_the_folder_itself_may_be_a_link(house: House, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(house.registry)
    assert vqcast.load(registry=tmp_path / "link").size == 5
    assert vqcast.load(registry=str(tmp_path / "link")).size == 5


def test_a_tree_too_deep_is_refused_not_followed(house: House) -> None:
    deep = house.registry.joinpath(*["d"] * 12)
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"")
    with pytest.raises(RegistryError, match="nested deeper"):
        vqcast.load(registry=house.registry)


@pytest.mark.parametrize("what", ["absent", "file", "empty"])
def test_what_is_no_registry_says_so(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_bytes(b"")
    if what == "empty":
        path.mkdir()
    with pytest.raises(RegistryError, match=str(path)) as caught:
        vqcast.load(registry=path)
    assert caught.value.hint


def test_many_problems_are_counted_in_one_sentence(house: House) -> None:
    for number in range(9):
        (house.registry / f"extra{number}").write_bytes(b"")
    with pytest.raises(RegistryError, match="and 4 more") as caught:
        vqcast.load(registry=house.registry)
    assert "\n" not in caught.value.message


def test_the_shipped_registry_is_where_load_looks() -> None:
    assert (packaged_registry() / "registry.json").is_file()
    assert vqcast.load().size == 5


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\x00", b'{"models": 1}'])
def test_a_damaged_registry_document_is_refused_in_our_words(house: House, data: bytes) -> None:
    (house.registry / "registry.json").write_bytes(data)
    reseal(house.registry)
    with pytest.raises(VqcastError, match="registry"):
        vqcast.load(registry=house.registry)
