"""A request to stop takes effect where the program waits, and nowhere else."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from storescp.serve.process.signals import Signals, Stopped


def test_a_request_outside_of_a_wait_takes_effect_at_the_next_wait() -> None:
    """Whatever runs when the signal comes runs to its end."""
    signals = Signals()
    previous = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        signals.install()
        signal.raise_signal(signal.SIGTERM)
        assert signals.stop_requested == signal.SIGTERM

        with pytest.raises(Stopped), signals.waiting():
            pytest.fail("nothing is waited for any more")
    finally:
        signal.signal(signal.SIGTERM, previous[0])
        signal.signal(signal.SIGINT, previous[1])


def test_a_request_during_a_wait_ends_it() -> None:
    """A blocking call is left at once."""
    signals = Signals()
    previous = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    began = time.monotonic()
    try:
        signals.install()
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        signal.setitimer(signal.ITIMER_REAL, 0.05)

        with pytest.raises(Stopped) as stopped, signals.waiting():
            time.sleep(30)
    finally:
        signal.signal(signal.SIGTERM, previous[0])
        signal.signal(signal.SIGINT, previous[1])

    assert stopped.value.number == signal.SIGINT
    assert time.monotonic() - began < 10


def test_whoever_asks_twice_is_obeyed_at_once() -> None:
    """The second signal ends the process by its default action."""
    script = textwrap.dedent("""
        import signal
        from storescp.serve.process.signals import Signals
        Signals().install()
        signal.raise_signal(signal.SIGTERM)
        print("still here", flush=True)
        signal.raise_signal(signal.SIGTERM)
        print("not reached")
    """)

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=False
    )

    assert done.returncode == -signal.SIGTERM
    assert done.stdout == b"still here\n"


def test_an_action_waits_for_the_next_wait() -> None:
    """Nothing is done in the midst of something else: a log line in a log line would be an error."""
    signals = Signals()
    done: list[str] = []
    previous = signal.getsignal(signal.SIGUSR1)
    try:
        signals.on(signal.SIGUSR1, lambda: done.append("action"))
        signal.raise_signal(signal.SIGUSR1)
        assert done == []

        with signals.waiting():
            assert done == ["action"]
            signal.raise_signal(signal.SIGUSR1)
            assert done == ["action", "action"]
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_signals_during_an_action_are_not_lost() -> None:
    """Another action follows, never within the first; a request to stop ends the wait then."""
    signals = Signals()
    done: list[str] = []
    numbers = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.getsignal(number) for number in numbers}

    def action() -> None:
        done.append("begins")
        signal.raise_signal(signal.SIGUSR2)
        signal.raise_signal(signal.SIGTERM)
        done.append("ends")

    try:
        signals.install()
        signals.on(signal.SIGUSR1, action)
        signals.on(signal.SIGUSR2, lambda: done.append("other"))

        with pytest.raises(Stopped), signals.waiting():
            signal.raise_signal(signal.SIGUSR1)
        assert done == ["begins", "ends", "other"]
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def test_a_request_to_stop_is_heard_by_every_later_wait() -> None:
    """Who handles it may have to wait himself, and must not wait for ever."""
    signals = Signals()
    previous = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        signals.install()
        signal.raise_signal(signal.SIGTERM)

        for _ in range(2):
            with pytest.raises(Stopped):
                signals.begin_wait()
    finally:
        signal.signal(signal.SIGTERM, previous[0])
        signal.signal(signal.SIGINT, previous[1])


def test_an_action_ends_a_wait_for_it() -> None:
    """Whether the signal came before, or comes while something else is waited for."""
    signals = Signals()
    done: list[str] = []
    previous = signal.getsignal(signal.SIGUSR1)
    try:
        signals.on(signal.SIGUSR1, lambda: done.append("action"))
        signal.raise_signal(signal.SIGUSR1)

        assert signals.until_action(lambda: done.append("not reached")) is None
        assert signals.until_action(lambda: signal.raise_signal(signal.SIGUSR1)) is None
        assert signals.until_action(lambda: "waited for") == "waited for"
        assert done == ["action", "action"]
    finally:
        signal.signal(signal.SIGUSR1, previous)
