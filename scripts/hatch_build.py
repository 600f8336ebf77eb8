"""Hatchling's build hook: put the compiled modules into the wheel, or beside the sources for an editable installation."""

import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledModules(BuildHookInterface[Any]):
    """Compile where it can be done; a wheel without compiled modules is one for every machine (py3-none-any)."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel holds. hatchling calls it with "standard" or "editable"."""
        compiling = _compile_modules(Path(self.root))
        if version == "editable":
            compiled = compiling.build_in_place()
        else:
            self._directory = tempfile.TemporaryDirectory()
            target = Path(self._directory.name)
            made = compiling.build(target)
            for path in made:
                build_data["force_include"][str(path)] = path.relative_to(target).as_posix()
            compiled = bool(made)
        build_data["pure_python"] = not compiled
        build_data["infer_tag"] = compiled

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what is in the wheel by now."""
        if version != "editable":
            self._directory.cleanup()


def _compile_modules(root: Path) -> ModuleType:
    """Return scripts/compile_modules.py, which is no part of a package."""
    path = root / "scripts" / "compile_modules.py"
    specification = importlib.util.spec_from_file_location("compile_modules", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
