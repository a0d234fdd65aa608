"""Shares of a sample, and what they say of the whole."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

Z = 1.959964
"""Standard deviations on each side that hold 95 % of a normal distribution."""


class Share(NamedTuple):
    """`hits` of `tried`, which were drawn from `total`; low and high: the 95 % interval for the share of all."""

    hits: int
    tried: int
    total: int
    value: float
    low: float
    high: float


def share(hits: int, tried: int, total: int) -> Share:
    """One sample: Wilson's interval (J. Am. Stat. Assoc. 22, 1927); where all were tried, no interval is left."""
    value = hits / tried
    if tried == total:
        return Share(hits, tried, total, value, value, value)
    scale = 1 + Z * Z / tried
    middle = (value + Z * Z / (2 * tried)) / scale
    half = Z * sqrt(value * (1 - value) / tried + Z * Z / (4 * tried * tried)) / scale
    return Share(hits, tried, total, value, max(0.0, middle - half), min(1.0, middle + half))


def together(parts: Sequence[Share]) -> Share:
    """The share of the union of strata, each of its own sample (Cochran, "Sampling Techniques", 1977, chapter 5).

    A stratum in which all or none hit would seem to have no spread, so the variance is that of two hits and two misses
    more (Agresti and Coull, Am. Stat. 52, 1998).
    """
    total = sum(part.total for part in parts)
    value = sum(part.total * part.value for part in parts) / total
    variance = 0.0
    for part in parts:
        if part.tried < part.total:
            p = (part.hits + 2) / (part.tried + 4)
            left_out = 1 - part.tried / part.total
            variance += (part.total / total) ** 2 * left_out * p * (1 - p) / (part.tried + 4)
    half = Z * sqrt(variance)
    hits, tried = sum(part.hits for part in parts), sum(part.tried for part in parts)
    return Share(hits, tried, total, value, max(0.0, value - half), min(1.0, value + half))
