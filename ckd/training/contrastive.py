"""Pre-training a student on recordings without labels, before it is trained as the run says."""

from functools import partial

from lightning_fabric import Fabric
from torch import Tensor, nn

from ckd.config import Config
from ckd.data.stored import AnyFrames
from ckd.method.contrastive import draw_views, nt_xent
from ckd.method.schedule import learning_rate
from ckd.models.distributed import BatchNorm, gathered, local_share
from ckd.models.student import Student
from ckd.training.engine import Hooks, Progress, keep, optimizer_of, restore

WIDTHS = 256, 64
"""Of the projection head, which takes the classifier's place and is thrown away."""


class Projected(nn.Module):
    """A student with a projection head [SimCLR] for its classifier: frames (T, N, ...) to (N, D), the mean over T."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        classifier = student.nodes["classifier"]
        assert isinstance(classifier, nn.Linear)
        self.student = student
        features, (hidden, dimensions) = classifier.in_features, WIDTHS
        # Without batch norm spikes, none of them negative, project to nearly one direction, and nothing is learned.
        self.head = nn.Sequential(
            nn.Unflatten(1, (features, 1, 1)),
            nn.Conv2d(features, hidden, 1, bias=False),
            BatchNorm(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, dimensions, 1, bias=False),
            BatchNorm(dimensions),
            nn.Flatten(),
        )

    def forward(self, frames: Tensor) -> Tensor:
        return self.student(frames, classifier=self.head).logits.mean(0)


def pretrain(
    fabric: Fabric,
    student: Student,
    config: Config,
    *,
    recordings: AnyFrames,
    progress: Progress,
    hooks: Hooks,
) -> None:
    """Train on pairs of views for `contrastive` iterations, with the optimizer and schedule of the run.

    Args:
        fabric: from `launch_fabric`.
        student: changed in place; its classifier does not learn, here or later.
        config: the recipe.
        recordings: frames (R, T, 2, H, W) that neither validate nor test.
        progress: where to begin; fresh or from a checkpoint.
        hooks: logging and checkpoints.
    """
    total, plan = config.method.contrastive, config.training
    student.nodes["classifier"].requires_grad_(False)  # several processes wait for the gradient of all that has one
    projected = Projected(student)
    model, optimizer = fabric.setup(projected, optimizer_of(projected, plan))
    restore(fabric, projected, optimizer, progress)

    projected.train()
    for iteration in range(progress.iteration, total):
        views = draw_views(recordings, config, iteration, device=fabric.device)
        loss = nt_xent(gathered(model(local_share(views, dim=1))[None])[0])
        rate = learning_rate(iteration, total, peak=plan.lr, warmup=plan.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimizer.step()
        progress.iteration = iteration + 1
        hooks.log({"iteration": iteration, "lr": rate, "loss": loss.item()})
        hooks.advance(progress.iteration)
        hooks.after(progress, partial(keep, fabric, projected, optimizer, progress))
