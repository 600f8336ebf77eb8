"""bench.load: which object is sent when."""

from dataclasses import asdict
from json import dumps

from bench.load import Order, Prepared, in_turn, read_order


def order(*, count: int, shuffled: bool, first: int = 1) -> Order:
    objects = tuple(Prepared(at, at + 1, (at,), (), 1, "1.2", "1.3") for at in range(5))
    return Order(11112, "file", objects, shuffled, first, count, 0.5, 0, 0, tls=False, late=False)


def starts(order: Order) -> list[int]:
    return [one.start for one in in_turn(order)]


def test_objects_follow_each_other() -> None:
    """In turn, and from the first one again."""
    assert starts(order(count=7, shuffled=False)) == [0, 1, 2, 3, 4, 0, 1]


def test_shuffled_objects() -> None:
    """Each pass sends all of them, in another order; another round sends them in yet another one."""
    turns = starts(order(count=50, shuffled=True))
    passes = [tuple(turns[at : at + 5]) for at in range(0, 50, 5)]

    assert [sorted(one) for one in passes] == [[0, 1, 2, 3, 4]] * 10
    assert len(set(passes)) > 5
    assert turns == starts(order(count=50, shuffled=True))
    assert turns != starts(order(count=50, shuffled=True, first=2))


def test_orders_survive_the_way() -> None:
    """An order is what was written, when it is read."""
    written = order(count=7, shuffled=True)

    read = read_order(dumps(asdict(written)))

    assert [one.start for one in read.objects] == [one.start for one in written.objects]
    assert starts(read) == starts(written)
