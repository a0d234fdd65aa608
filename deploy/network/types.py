"""The words in which networks are said."""

from typing import Any, Literal

from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]
Edge = tuple[str, str]
ResetMechanism = Literal["zero", "subtract", "none"]
RESET_MECHANISMS: tuple[ResetMechanism, ...] = ("zero", "subtract", "none")
