"""PyTorch's functions by what they do to a value, by the names that a function mode sees."""


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


MOVES = _set("""
    view view_as reshape reshape_as flatten unflatten ravel permute transpose transpose_ t T mT swapaxes swapdims
    movedim moveaxis squeeze squeeze_ unsqueeze unsqueeze_ expand expand_as broadcast_to repeat tile stack cat concat
    concatenate hstack vstack dstack unbind split tensor_split chunk __getitem__ select narrow index_select flip roll
    atleast_1d atleast_2d atleast_3d contiguous clone detach data cpu alias pixel_shuffle pixel_unshuffle
    repeat_interleave column_stack
    """)
"""They move or copy elements, and are done to the origins as they stand."""

SAME = _set(
    """
    to float half double bfloat16 type type_as requires_grad_ detach_ dropout dropout1d dropout2d dropout3d
    alpha_dropout
    """
)
"""They give the same elements in the same places."""

DROPOUTS = _set("dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout")

FRESH = _set("zeros_like ones_like empty_like full_like new_zeros new_ones new_full new_empty new_tensor")
"""They ask a tensor for its shape alone."""

READS = _set("item __bool__ tolist numpy __float__ __int__ __index__ __array__ equal allclose is_nonzero")
"""They take a value out of the tensors; what is done with it cannot be seen."""

RANDOM = _set("""
    rand randn randint randperm rand_like randn_like randint_like bernoulli bernoulli_ normal normal_ uniform_ poisson
    multinomial exponential_ random_ rrelu rrelu_
    """)

ADDS = _set("add add_ __add__ __radd__ __iadd__")
SUBTRACTS = _set("sub sub_ subtract __sub__ __isub__")
SUBTRACTS_FROM = _set("__rsub__ rsub")
MULTIPLIES = _set("mul mul_ multiply __mul__ __rmul__ __imul__")
DIVIDES = _set("div div_ divide true_divide __truediv__ __itruediv__")
NEGATES = _set("neg negative __neg__")
ELEMENTWISE = ADDS | SUBTRACTS | SUBTRACTS_FROM | MULTIPLIES | DIVIDES | NEGATES
SUMS = _set("sum mean")
RECTIFIES = _set("relu relu_ abs absolute")
CLEARS = _set("zero_ fill_")
