"""The order in which queues are asked for messages: each gets its share, and none starves."""

from typing import Any

from kombu.utils.scheduling import cycle_by_name


def interleaved(weights: list[int]) -> list[int]:
    """Places in `weights`, each as often as its weight says, evenly spread: `[4, 1]` gives `[0, 0, 1, 0, 0]`.

    This is nginx's smooth weighted round-robin.
    """
    credits, turns = [0] * len(weights), []
    for _ in range(sum(weights)):
        credits = [credit + weight for credit, weight in zip(credits, weights, strict=True)]
        best = max(range(len(weights)), key=credits.__getitem__)
        credits[best] -= sum(weights)
        turns.append(best)
    return turns


def in_order(queues: list[str], strategy: Any) -> list[int]:
    """Places in `queues` in the order that kombu's option `queue_order_strategy` gives them, other than in turns."""
    return [queues.index(queue) for queue in cycle_by_name(strategy)(list(queues)).consume(len(queues))]
