"""Which form of the compiled modules is here."""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from storescp.compilation import MODULES, Form, form

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `some_package` with the plain modules `one` and `two`, the first of which must never be imported."""
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("raise AssertionError")
    (package / "two.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_package", raising=False)
    return package


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [([], Form.PURE), (["one", "two"], Form.COMPILED), (["one"], Form.MIXED)],
)
def test_form(package: Path, extensions: list[str], expected: Form) -> None:
    """All modules are compiled, none, or, which is a fault, some."""
    for name in extensions:
        (package / f"{name}{EXTENSION_SUFFIXES[0]}").touch()

    assert form(["some_package.one", "some_package.two"]) is expected


def test_nothing_is_listed() -> None:
    """An empty list is plain Python."""
    assert form([]) is Form.PURE


def test_the_list_is_whole() -> None:
    """What has types for Cython beside it is compiled, and nothing else."""
    typed = {path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.pxd")}

    assert sorted(MODULES) == sorted(".".join(path.parts) for path in typed)
