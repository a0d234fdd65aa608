"""What netx holds of a layer on the grid, where that is less than the grid does."""

import numpy as np

from deploy import grid
from deploy.errors import UnsupportedError
from deploy.network import Array

BIAS_UNIT = 1 << 6
"""netx builds every neuron with bias_exp = 6."""

WAY_OUT = "deploy.formats.netx.fit_to_netx (ckd-export --to netx) rounds it and says by how much"


def refuse_bias(name: str, bias: Array) -> None:
    """Raises UnsupportedError where a bias is no multiple of 64 or has more than 13 bits of them."""
    odd = bias % BIAS_UNIT != 0
    if np.any(odd):
        raise UnsupportedError(
            f"{name}: a bias of {bias[odd].ravel()[0]} is no multiple of {BIAS_UNIT}, the unit of netx; {WAY_OUT}"
        )
    mantissa = bias // BIAS_UNIT
    if mantissa.min() < -grid.BIAS_MANTISSA_MAX - 1 or mantissa.max() > grid.BIAS_MANTISSA_MAX:
        worst = bias.ravel()[np.abs(bias).argmax()]
        limit = grid.BIAS_MANTISSA_MAX * BIAS_UNIT
        raise UnsupportedError(f"{name}: a bias of {worst} is beyond what netx holds (+-{limit}); {WAY_OUT}")
