"""What the static branch sees of a still in I2E, against the convolution that the paper writes down."""

import torch
import torch.nn.functional as F

from ckd.method.static import I2E_MOVES, I2E_ORDER, i2e_input

SHARE = 0.12


def by_convolution(value: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """Events of a kernel with -1 at one place and 1 at another, thresholded at a share of each image's contrast."""
    kernel = torch.zeros(9)
    kernel[before - 1], kernel[after - 1] = -1, 1
    change = F.conv2d(F.pad(value, (1, 1, 1, 1), mode="replicate"), kernel.view(1, 1, 3, 3))[:, 0]
    threshold = SHARE * torch.stack([image.max() - image.min() for image in value])[:, None, None]
    return torch.stack([-change >= threshold, change >= threshold], dim=1).float()  # fell, rose


def test_every_step_is_a_thresholded_difference_in_its_direction() -> None:
    # Multiples of 1/64, whose differences floats hold exactly; the threshold then never decides by rounding.
    value = torch.randint(0, 65, (3, 1, 9, 7), generator=torch.Generator().manual_seed(0)) / 64
    seen = set()
    for seed in range(12):
        frames = i2e_input(1 - value, 10, torch.Generator().manual_seed(seed))
        assert frames.shape == (10, 3, 2, 9, 7) and frames.any()
        for step, frame in enumerate(frames):
            direction = I2E_ORDER[step % 8]
            made = [move for move in I2E_MOVES[direction] if torch.equal(by_convolution(value, *move), frame)]
            assert len(made) == 1
            seen.add((direction, *made))
    assert len(seen) > 24, "moves of a direction have to vary"


def test_the_directions_are_the_eight_of_a_window_and_no_pair_is_listed_twice() -> None:
    def direction(before: int, after: int) -> tuple[int, int]:
        (y0, x0), (y1, x1) = divmod(before - 1, 3), divmod(after - 1, 3)
        return max((y1 - y0, x1 - x0), (y0 - y1, x0 - x1))

    of_group = [{direction(*move) for move in moves} for moves in I2E_MOVES]
    assert all(len(directions) == 1 for directions in of_group)
    assert len(set.union(*of_group)) == 8
    # Between neighbors, and by a jump of a knight: all differences of a window but those across its whole width.
    pairs = {frozenset(move) for moves in I2E_MOVES for move in moves}
    assert len(pairs) == sum(map(len, I2E_MOVES)) == 28


def test_an_even_still_gives_no_event() -> None:
    assert not i2e_input(torch.full((2, 1, 6, 6), 0.3), 8, torch.Generator().manual_seed(0)).any()
