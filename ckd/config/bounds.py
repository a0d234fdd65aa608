"""Which numbers a configuration may hold: said beside each field, and refused before a run has cost anything."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Literal

from ckd.errors import ConfigError

POSITIVE = math.ulp(0.0)
"""The smallest number above zero, as a least value."""
ENDLESS = math.inf
BEYOND = 1 << 63
"""No number may reach it, infinity included: what counts with it takes 64 bits."""

Whole = Literal["number of pixels", "number, or a share under 1"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """Least and greatest value of a field, both allowed."""

    least: float
    most: float
    whole: Whole | None
    """What a field of floats holds that takes whole numbers alone; None: any number."""

    def refusal(self, value: float) -> str | None:
        """What `value` would have to be; None where it is allowed."""
        if not self.least <= value <= self.most:
            return self._range()
        if value >= BEYOND:
            return "below 2**63"
        share = self.whole == "number, or a share under 1" and value < 1
        if self.whole is not None and not share and value != int(value):
            return f"a whole {self.whole}"
        return None

    def _range(self) -> str:
        positive = self.least == POSITIVE
        if self.most < ENDLESS:
            return f"above 0 and at most {self.most}" if positive else f"between {self.least} and {self.most}"
        return "positive" if positive else f"at least {self.least}"


def bounded(default: float | None, *, least: float, most: float = ENDLESS, whole: Whole | None = None) -> Any:
    """A dataclass field that holds a number from `least` to `most`."""
    return dataclasses.field(default=default, metadata={"bounds": Bounds(least=least, most=most, whole=whole)})


def check_numbers(config: Any) -> None:
    """Raise ConfigError at the first number of a (nested) configuration that is outside its field's bounds."""
    for field, value in _numbers(config):
        refusal = field.metadata["bounds"].refusal(value)
        if refusal is not None:
            raise ConfigError(f"--{field.name.replace('_', '-')} (={value!s:.60}) must be {refusal}")


def _numbers(config: Any) -> Iterator[tuple[dataclasses.Field[Any], float]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _numbers(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield field, value
