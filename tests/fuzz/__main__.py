"""Fuzz one target, guided by coverage: `python -m tests.fuzz TARGET [CORPUS] [-libfuzzer_option=…]`.

Needs atheris (`pip install --group fuzz`). Interesting inputs are gathered in the directory CORPUS, an input
that breaks a promise is written beside it and shown in hexadecimal, ready for `corpus/TARGET.txt`.
"""

import sys
import tempfile
import time
from pathlib import Path

import atheris

LONGEST = 2.0
"""Seconds of processor time that an input of a few kilobytes may cost, where all is watched and slow."""


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with atheris.instrument_imports(include=["storescp"]):
        from tests.fuzz.corpus import read
        from tests.fuzz.targets import TARGETS
    target = TARGETS[sys.argv.pop(1)]
    found = Path(sys.argv[1]) if sys.argv[1:] and sys.argv[1][0] != "-" else None
    if found is None:
        found = Path(tempfile.mkdtemp(prefix=f"fuzz-{target.name}-"))
        sys.argv.insert(1, str(found))
    found.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate((*target.seeds(), *read(target.name))):
        (found / f"seed-{number:03}").write_bytes(data)
    words = found.with_name(found.name + ".words")
    words.write_text(
        "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words)
    )

    def run(data: bytes) -> None:
        began = time.process_time()
        try:
            target.run(data)
            assert time.process_time() - began < LONGEST, "it takes too long"
        except BaseException:
            sys.stderr.write(f"{target.name}: {data.hex()}\n")
            raise

    atheris.Setup(
        [
            *sys.argv,
            f"-max_len={target.largest}",
            f"-dict={words}",
            f"-artifact_prefix={found}.",
            "-timeout=600",  # by the clock, which goes on while the process waits for its turn
            "-report_slow_units=600",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
        ],
        run,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
