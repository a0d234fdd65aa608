"""Trains ten steps and writes their losses; run alone or under torchrun by test_parallel."""

import json
import sys
from pathlib import Path

import torch

from ckd.pipeline import carry_out
from ckd.train import parse


class Quiet:
    def stage(self, title: str, total: int | None, done: int = 0) -> None: ...
    def advance(self, done: int) -> None: ...


if __name__ == "__main__":
    torch.set_num_threads(1)
    options, config = parse(sys.argv[1:])
    assert options.out is not None
    carry_out(config, Path(options.out), Quiet(), resume=False)
    print(json.dumps("done"))
