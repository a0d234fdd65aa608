"""What became of random graphs on each route: equal, or refused, and why. Everything else is a failure."""

import re
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck

from deploy.errors import DeployError
from tests.differential.refusals import NOBODY_MAY, REASONS

T = TypeVar("T")
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


class Tally:
    """Counts by route."""

    def __init__(self) -> None:
        self.equal: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()

    def follow(self, route: str, call: Callable[[], T]) -> T | None:
        """Do it, and compare in it; None where it was refused, in one line and for a reason that is on the list."""
        try:
            value = call()
        except DeployError as error:
            self.refused[route, reason_of(error)] += 1
            return None
        self.equal[route] += 1
        return value

    def must_refuse(self, route: str, call: Callable[[], object]) -> None:
        """Do what nobody may claim."""
        before = self.equal[route]
        self.follow(route, call)
        assert self.equal[route] == before, f"{route}: took what it should have refused"

    def share(self, route: str) -> float:
        """Of the graphs on a route that anybody may claim, those that were claimed and equal."""
        refused = sum(count for (on, why), count in self.refused.items() if on == route and why not in NOBODY_MAY)
        return self.equal[route] / max(1, self.equal[route] + refused)

    def __str__(self) -> str:
        routes = sorted({*self.equal, *(route for route, _ in self.refused)})
        lines = []
        for route in routes:
            reasons = {reason: count for (on, reason), count in self.refused.most_common() if on == route}
            told = "; ".join(f"{count} {reason}" for reason, count in reasons.items())
            lines.append(f"{route}: {self.equal[route]} equal, {sum(reasons.values())} refused ({told or '-'})")
        return "\n".join(lines)


def reason_of(error: DeployError) -> str:
    """The reason's name in the list. Fails where the message has several lines or stands on no list."""
    text = str(error)
    assert text and "\n" not in text, f"not one line: {text!r}"
    for reason, pattern in REASONS.items():
        if re.search(pattern, text):
            return reason
    raise AssertionError(f"refused for a reason that is not in refusals.py: {type(error).__name__}: {text}") from error
