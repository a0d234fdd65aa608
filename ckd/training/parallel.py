"""How several processes are started, and what they need to train as one would on the whole batch."""

import os
from datetime import timedelta

import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from ckd.config import Machine
from ckd.errors import ConfigError
from ckd.models.distributed import process_count


def is_first_process() -> bool:
    """Whether this is the process that writes; torchrun tells every process its number before any is launched."""
    return os.environ.get("RANK", "0") == "0"


def launch_fabric(machine: Machine) -> Fabric:
    """Lightning Fabric over one process, or over as many as torchrun started.

    Fabric's "auto" is one device on a CPU: every process of torchrun would train alone, and all write one run folder.
    """
    local = int(os.environ["LOCAL_WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1
    everywhere = int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1
    # The others wait for the first process while it trains the teacher: longer than the usual half hour, maybe.
    strategy = DDPStrategy(timeout=timedelta(days=1)) if everywhere > 1 else "auto"
    try:
        fabric = Fabric(
            accelerator=machine.accelerator,
            strategy=strategy,
            devices=local,
            num_nodes=everywhere // local,
            precision=machine.precision,
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"--accelerator {machine.accelerator} with --precision {machine.precision}: not on this machine ({error})"
        ) from None
    fabric.launch()
    assert process_count() == everywhere, (process_count(), everywhere)
    return fabric


def check_share(batch: int, event_batch: int) -> None:
    """Raise ConfigError where a batch, or its part for the event branch, cannot be shared out evenly over processes."""
    if batch % process_count() or event_batch % process_count():
        raise ConfigError(
            f"--batch (={batch}) and --event-share of it (={event_batch}) must be divisible by "
            f"the number of processes (={process_count()})"
        )
