"""The tests mirror the modules: each module of `src/storescp` has a test module of its own."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src" / "storescp"

TABLES = {
    "config/choices.py",
    "config/options/evaluation.py",
    "config/options/extensions.py",
    "config/options/network.py",
    "config/options/output.py",
    "config/options/rows.py",
    "config/options/security.py",
    "dataset/encoding.py",
    "dataset/limits.py",
    "log/context.py",
    "monitor/settings.py",
    "serve/accept/settings.py",
    "serve/reporting/time_limit.py",
    "serve/settings.py",
    "serve/tls/choices.py",
    "serve/tls/findings.py",
    "serve/tls/settings.py",
    "storage/settings.py",
    "storage/storage_scp.py",
    "uid_names.py",
    "uids.py",
    "upper_layer/log_notes.py",
}
"""Modules that hold values and types only: what reads them is tested."""

ELSEWHERE = {
    "dataset/element.py": "dataset/test_walk.py",
    "dataset/group_lengths.py": "dataset/test_walk.py",
    "dataset/header.py": "dataset/test_walk.py",
    "dataset/level.py": "dataset/test_walk.py",
    "dataset/nesting.py": "dataset/test_walk.py",
    "dataset/plan.py": "dataset/test_walk.py",
    "dataset/rewriting.py": "dataset/test_walk.py",
    "dataset/trailing.py": "dataset/test_walk.py",
    "dataset/vr_of.py": "dataset/test_walk.py",
    "monitor/progress.py": "end_to_end/test_progress.py",
    "serve/receiver.py": "end_to_end/test_serving.py",
    "serve/reporting/event_emitter.py": "serve/reporting/test_association_reporter.py",
    "serve/studies/job_results.py": "serve/studies/test_end_of_study.py",
    "serve/studies/parallel_studies.py": "end_to_end/test_disturbed_studies.py",
    "storage/reception.py": "storage/test_store_scp.py",
    "storage/studies/memory_store.py": "storage/studies/test_study_store.py",
    "storage/studies/sqlite_store.py": "storage/studies/test_study_store.py",
}
"""Modules that are parts of one walk, implementations of one interface, or life of processes: the suite that has them."""


def modules() -> list[str]:
    """Return all modules, as paths below the package."""
    found = (path.relative_to(SOURCES) for path in SOURCES.rglob("*.py"))
    return sorted(str(path) for path in found if not path.name.startswith("__"))


def twin(module: str) -> Path:
    """Return where the tests of a module are to be."""
    path = Path(module)
    return TESTS / path.parent / f"test_{path.name}"


@pytest.mark.parametrize("module", modules())
def test_every_module_has_tests(module: str) -> None:
    """In the place that its own place gives, unless it is excused."""
    expected = TESTS / ELSEWHERE[module] if module in ELSEWHERE else twin(module)

    assert expected.exists() or module in TABLES, f"there is no tests/{expected.relative_to(TESTS)}"


def test_excuses_are_needed() -> None:
    """Nothing is excused that has tests, or is not there any more."""
    excused = TABLES | ELSEWHERE.keys()

    assert sorted(excused - set(modules())) == []
    assert [module for module in sorted(excused) if twin(module).exists()] == []
