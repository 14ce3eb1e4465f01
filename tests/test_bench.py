"""The benchmarks' harness: fair turns, and honest medians."""

from bench.harness import Contender, measure


def test_contenders_take_turns() -> None:
    order: list[str] = []
    contenders = [Contender(name, "native", lambda name=name: order.append(name)) for name in "ab"]

    measure(contenders, rounds=3)

    rounds = "".join(order).lstrip("a").lstrip("b")
    assert rounds.count("ab") == 3


def test_the_median_orders_what_is_fast_and_what_is_slow() -> None:
    quick = Contender("quick", "native", lambda: sum(range(10)))
    slow = Contender("slow", "native", lambda: sum(range(100_000)))

    found = {one.name: one.seconds for one in measure([slow, quick], rounds=3)}

    assert found["quick"] < found["slow"]
