"""Make extension modules of the modules that src/storescp/compilation.py lists, with Cython and a C compiler.

    python scripts/compile_modules.py            in place, beside their sources; for this interpreter
    python scripts/compile_modules.py DIRECTORY  into a directory that becomes part of a wheel

The environment variable STORESCP_BUILD decides: `compiled` makes a failure an error, `pure` compiles nothing, and with
`auto` or nothing a failure is one line, and the package is what it is without a compiler: the same, and slower.
"""

import os
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
LIST = SOURCE / "storescp" / "compilation.py"


class CannotCompile(Exception):
    """There are no extension modules; the text says why in one line."""


def listed() -> tuple[str, ...]:
    """Return the names of the modules that are to be compiled."""
    modules: tuple[str, ...] = runpy.run_path(str(LIST))["MODULES"]
    return modules


def wish() -> str:
    """Return what STORESCP_BUILD asks for: "auto", "compiled" or "pure".

    Raises:
        SystemExit: it asks for anything else.
    """
    value = os.environ.get("STORESCP_BUILD") or "auto"
    if value not in ("auto", "compiled", "pure"):
        raise SystemExit(f"STORESCP_BUILD is {value!r}: use auto, compiled or pure")
    return value


def build(target: Path, modules: tuple[str, ...] | None = None) -> list[Path]:
    """Compile into `target`, where the package's directories are made, and return the extension modules.

    Nothing but one line on standard error tells of a failure; the list is empty then, and where nothing is to be
    compiled. With STORESCP_BUILD=compiled a failure shows all that compiler and Cython said.

    Raises:
        SystemExit: it failed and STORESCP_BUILD is `compiled`.
    """
    modules = listed() if modules is None else modules
    if not modules:
        return []
    if wish() == "pure":
        _say("storescp: not compiled, as STORESCP_BUILD=pure asks for")
        return []
    try:
        made = _compile(target, modules)
    except CannotCompile as error:
        if wish() == "compiled":
            raise SystemExit(
                f"storescp: not compiled, and STORESCP_BUILD=compiled asks for it: {error}"
            ) from None
        _say(f"storescp: NOT COMPILED, works all the same, but slower: {error}")
        return []
    _say(f"storescp: compiled {len(made)} module{'s'[: len(made) > 1]}")
    return made


def build_in_place() -> bool:
    """Compile beside the sources unless that is done already; return whether extension modules are there.

    Those that are not listed any more, or could not be made anew, are removed: an old one must not run.

    Raises:
        SystemExit: as `build`.
    """
    modules = listed()
    wanted = {_beside_source(module) for module in modules}
    if modules and wish() != "pure" and all(map(_is_current, wanted)):
        _remove_others(wanted)
        return True
    _remove_others(set())
    with tempfile.TemporaryDirectory() as directory:
        made = build(Path(directory), modules)
        for path in made:
            shutil.move(path, SOURCE / path.relative_to(directory))
    return bool(made)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _compile(target: Path, modules: tuple[str, ...]) -> list[Path]:
    """Compile in a process of its own, which may print and change what it likes.

    Raises:
        CannotCompile: no tools, or they failed.
    """
    _require_tools()
    command = [sys.executable, __file__, "--worker", str(target), *modules]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        if wish() == "compiled":
            sys.stderr.write(done.stdout)
        said = done.stdout.strip().splitlines() or ["it failed without a word"]
        raise CannotCompile(([line for line in said if "error: " in line] or said)[-1])
    made = [target / _extension(module) for module in modules]
    if missing := [path.name for path in made if not path.is_file()]:
        raise CannotCompile(f"the compiler made no {', '.join(missing)}")
    return made


def _require_tools() -> None:
    """Say in plain words what is missing most often.

    Raises:
        CannotCompile: there is no compiler, or no header of the interpreter.
    """
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise CannotCompile(f"there is no C compiler ({compiler})")
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").is_file():
        raise CannotCompile(
            f"there is no {include}/Python.h (on Debian in the package python3-dev)"
        )


def _work(target: str, modules: list[str]) -> None:
    """Do what `_compile` asks for; the last line that is printed says why it fails."""
    try:
        from Cython.Build import cythonize
        from Cython.Compiler.Errors import CompileError as CythonError
        from setuptools import Distribution, Extension
    except ImportError as error:
        raise SystemExit(f"{error.name} is not installed") from None
    # Without debug information, unless whoever sets flags wants it: it would be most of the file.
    flags = [] if os.environ.get("CFLAGS") else ["-g0"]
    # A warning for older compilers, an error for newer ones: what Cython has translated wrongly.
    flags += ["-Werror=incompatible-pointer-types"]
    extensions = [Extension(each, [_source(each)], extra_compile_args=flags) for each in modules]
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(SOURCE)
        try:
            translated = cythonize(
                extensions,
                quiet=True,
                build_dir=scratch,
                force=True,
                show_all_warnings=False,
            )
        except CythonError:
            raise SystemExit(f"Cython does not translate {' or '.join(modules)}") from None
        command = Distribution({"name": "storescp", "ext_modules": translated}).get_command_obj(
            "build_ext"
        )
        command.build_lib, command.build_temp, command.inplace = target, scratch, False
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        try:
            command.run()
        except Exception as error:  # noqa: BLE001 - each compiler class has errors of its own
            raise SystemExit(" ".join(str(error).split())) from None


def _source(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def _extension(module: str) -> str:
    return f"{module.replace('.', '/')}{sysconfig.get_config_var('EXT_SUFFIX')}"


def _beside_source(module: str) -> Path:
    return SOURCE / _extension(module)


def _is_current(extension: Path) -> bool:
    """Return whether an extension module is younger than all that it could be made of."""
    if not extension.is_file():
        return False
    types = {path for each in listed() for path in (SOURCE / _source(each)).parent.glob("*.pxd")}
    sources = {SOURCE / _source(each) for each in listed()}
    inputs = {LIST, Path(__file__), ROOT / "pyproject.toml", *types, *sources}
    return all(path.stat().st_mtime <= extension.stat().st_mtime for path in inputs)


def _remove_others(wanted: set[Path]) -> None:
    """Remove this interpreter's extension modules that are not `wanted` from beside the sources."""
    for path in (SOURCE / "storescp").rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
        if path not in wanted:
            path.unlink()


def main(arguments: list[str]) -> None:
    """Compile as the command line says."""
    match arguments:
        case ["--worker", target, *modules]:
            _work(target, modules)
        case []:
            build_in_place()
        case [target]:
            build(Path(target).resolve())
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
