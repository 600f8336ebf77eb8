"""The package is compiled where it can be, and works where it cannot; what happened is one line."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.peers.tools import require_tool

ROOT = Path(__file__).resolve().parents[2]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
FAILURE = re.compile(r"storescp: NOT COMPILED, works all the same, but slower: (.*)\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is built as ours is, with one module to compile."""
    project = tmp_path / "project"
    package = project / "src" / "storescp"
    package.mkdir(parents=True)
    (project / "scripts").mkdir()
    for name in ("compile_modules.py", "hatch_build.py"):
        shutil.copy(ROOT / "scripts" / name, project / "scripts")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "contrib", project / "contrib")
    (package / "__init__.py").write_text('__version__ = "1.0"\n')
    (package / "compilation.py").write_text('MODULES: tuple[str, ...] = ("storescp.sum",)\n')
    (package / "sum.py").write_text(
        "def total(data):\n"
        "    result = 0\n"
        "    for i in range(len(data)):\n"
        "        result += data[i]\n"
        "    return result\n"
    )
    (package / "sum.pxd").write_text(
        "cimport cython\n"
        "@cython.locals(i=cython.Py_ssize_t, result=long)\n"
        "cpdef total(const unsigned char[:] data)\n"
    )
    return project


@pytest.fixture
def no_compiler(tmp_path: Path) -> dict[str, str]:
    """An environment whose compiler is nowhere."""
    return {"CC": str(tmp_path / "no-such-cc")}


def python(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with the project as working directory."""
    clean = {
        key: value for key, value in os.environ.items() if key not in ("STORESCP_BUILD", "CFLAGS")
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def wheel(project: Path, **environment: str) -> Path:
    """Build a wheel as pip has it built, without an environment of its own for the tools."""
    done = python(project, "-m", "hatchling", "build", "--target", "wheel", **environment)
    assert done.returncode == 0, done.stderr
    [built] = (project / "dist").iterdir()
    return built


def names(built: Path) -> set[str]:
    with zipfile.ZipFile(built) as archive:
        return {name for name in archive.namelist() if name.startswith("storescp/")}


def imported(project: Path, at: Path) -> str:
    """Return which file of `at` the module comes from, after it has worked."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import storescp.sum;"
        "assert storescp.sum.total(b'abc') == 294; print(storescp.sum.__file__)"
    )
    done = python(project, "-I", "-c", code, str(at))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()).name


PLAIN = {"storescp/__init__.py", "storescp/compilation.py", "storescp/sum.py"}


def test_a_wheel_is_compiled(project: Path, tmp_path: Path) -> None:
    """Its tag names interpreter and machine, it holds source and extension module, and the latter runs."""
    require_tool("cc")

    built = wheel(project)
    zipfile.ZipFile(built).extractall(tmp_path / "installed")

    assert names(built) == PLAIN | {f"storescp/sum{SUFFIX}"}
    assert re.search(r"-(cp3\d+)-\1-.*linux", built.name)
    assert imported(project, tmp_path / "installed") == f"sum{SUFFIX}"
    assert not list((project / "src").rglob("*.so"))


@pytest.mark.parametrize(
    "environment", [{"STORESCP_BUILD": "pure"}, {}, {"STORESCP_BUILD": "auto"}]
)
def test_without_a_compiler_the_wheel_is_plain(
    project: Path, tmp_path: Path, environment: Mapping[str, str], no_compiler: dict[str, str]
) -> None:
    """It is one for every interpreter and machine, and works; so does one that was not to be compiled."""
    built = wheel(project, **environment, **no_compiler)
    zipfile.ZipFile(built).extractall(tmp_path / "installed")

    assert built.name.endswith("-py3-none-any.whl")
    assert names(built) == PLAIN
    assert imported(project, tmp_path / "installed") == "sum.py"


def test_no_compiler_is_told_in_one_line(project: Path, no_compiler: dict[str, str]) -> None:
    """The line names the compiler that was looked for."""
    done = python(project, "scripts/compile_modules.py", **no_compiler)

    assert done.returncode == 0
    found = FAILURE.fullmatch(done.stderr)
    assert found is not None
    assert found[1] == f"there is no C compiler ({no_compiler['CC']})"


@pytest.mark.parametrize(
    ("types", "environment", "expected"),
    [
        ("cpdef total(nonsense data)\n", {}, r"Cython does not translate storescp\.sum"),
        (None, {"CFLAGS": "-fno-such-thing"}, r".*error: unrecognized command-line option.*"),
    ],
)
def test_a_failure_is_told_in_one_line(
    project: Path, types: str | None, environment: dict[str, str], expected: str
) -> None:
    """What Cython or the compiler stumbled over is said, and nothing is left half done."""
    require_tool("cc")
    if types is not None:
        (project / "src/storescp/sum.pxd").write_text(types)

    done = python(project, "scripts/compile_modules.py", **environment)

    assert done.returncode == 0
    found = FAILURE.fullmatch(done.stderr)
    assert found is not None
    assert re.fullmatch(expected, found[1])
    assert not list((project / "src").rglob("*.so"))


def test_compiling_can_be_demanded(project: Path, no_compiler: dict[str, str]) -> None:
    """Then a failure is one: nothing plain is taken for compiled."""
    done = python(project, "scripts/compile_modules.py", STORESCP_BUILD="compiled", **no_compiler)

    assert done.returncode == 1
    assert (
        "not compiled, and STORESCP_BUILD=compiled asks for it: there is no C compiler"
        in done.stderr
    )


def test_a_wish_that_does_not_exist(project: Path) -> None:
    """A slip in the variable's value is an error, not another form."""
    done = python(project, "scripts/compile_modules.py", STORESCP_BUILD="complied")

    assert done.returncode == 1
    assert done.stderr == "STORESCP_BUILD is 'complied': use auto, compiled or pure\n"


def test_in_place_only_what_changed_is_compiled(project: Path) -> None:
    """A second time does nothing; after a change of a type it compiles; what cannot be made anew is removed."""
    require_tool("cc")
    extension = project / f"src/storescp/sum{SUFFIX}"

    first = python(project, "scripts/compile_modules.py")
    second = python(project, "scripts/compile_modules.py")
    os.utime(extension, (1, 1))
    third = python(project, "scripts/compile_modules.py")
    compiled = imported(project, project / "src")
    fourth = python(project, "scripts/compile_modules.py", STORESCP_BUILD="pure")

    said = "storescp: compiled 1 module\n"
    assert [first.stderr, second.stderr, third.stderr] == [said, "", said]
    assert compiled == extension.name
    assert fourth.stderr == "storescp: not compiled, as STORESCP_BUILD=pure asks for\n"
    assert imported(project, project / "src") == "sum.py"


def test_in_place_what_is_not_listed_any_more_is_removed(project: Path) -> None:
    """An extension module of yesterday must not run; those of other interpreters are theirs."""
    (project / "src/storescp/compilation.py").write_text("MODULES: tuple[str, ...] = ()\n")
    other = project / "src/storescp/sum.cpython-399-x86_64-linux-gnu.so"
    other.touch()
    (project / f"src/storescp/sum{SUFFIX}").touch()

    done = python(project, "scripts/compile_modules.py", STORESCP_BUILD="compiled")

    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (project / "src").rglob("*.so")] == [other.name]
