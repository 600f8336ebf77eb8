"""What is due first comes first, whatever was put anew or dropped before."""

import random

from storescp.storage.studies.due_queue import DueQueue


def test_keys_come_when_they_are_due() -> None:
    """By time, then by order; so many as were asked for; they stay."""
    queue: DueQueue[str] = DueQueue()
    assert queue.next_due() is None
    assert queue.first(99.0) == []
    queue.put("late", 9.0, 1)
    queue.put("second", 5.0, 4)
    queue.put("first", 5.0, 3)

    assert queue.next_due() == 5.0
    assert queue.first(4.9) == []
    assert queue.first(5.0) == ["first", "second"]
    assert queue.first(99.0, 0) == []
    assert queue.first(99.0, 2) == ["first", "second"]
    assert queue.first(99.0) == ["first", "second", "late"]


def test_it_agrees_with_a_sorted_list() -> None:
    """After any puts and drops, those back to an earlier time among them."""
    rng = random.Random(1)
    queue: DueQueue[int] = DueQueue()
    expected: dict[int, float] = {}
    for _ in range(3000):
        key = rng.randrange(20)
        if rng.random() < 0.3:
            queue.drop(key)
            expected.pop(key, None)
        else:
            expected[key] = float(rng.randrange(5))
            queue.put(key, expected[key], key)
        in_order = sorted(expected, key=lambda known: (expected[known], known))
        assert queue.first(9.0) == in_order
        assert queue.first(2.0, 3) == [known for known in in_order if expected[known] <= 2.0][:3]
        assert queue.next_due() == (expected[in_order[0]] if in_order else None)
