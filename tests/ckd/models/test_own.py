"""A student from outside gives training what ours give, and is refused before a run where it cannot."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ckd.config import Config, load_preset
from ckd.errors import ConfigError
from ckd.method.branches import kept_statistics
from ckd.models.build import build_student
from ckd.models.own import OwnStudent
from ckd.models.student import Student, build_vgg
from ckd.models.trial import check_for_training, run_once
from tests.ckd.outside import STUDENT, Write, write

__all__ = ["write"]


def config_of(student: str, **method: object) -> Config:
    config = load_preset("digits")
    return replace(
        config,
        data=replace(config.data, size=26, time_steps=4),
        student=replace(config.student, student=student),
        method=replace(config.method, **method),
    )


def checked(student: str, **method: object) -> OwnStudent:
    """A student that was built and checked as a run does it."""
    config = config_of(student, **method)
    torch.manual_seed(config.seed)
    built = build_student(config, classes=3)
    assert isinstance(built, OwnStudent)
    check_for_training(built, config, classes=3)
    run_once(built.train(), config, classes=3)
    return built


def test_a_module_of_snntorch_gives_logits_and_keeps_its_own_names(write: Write) -> None:
    student = checked(f"{write(STUDENT)}:Net")
    frames = (torch.rand(4, 5, 2, 26, 26) < 0.2).float()
    output = student.eval()(frames)
    assert output.potential is None and torch.equal(output.logits, student.module(frames))
    assert {"conv.weight", "classifier.bias"} <= set(student.network.state_dict())


ALIGNED = """
    import torch
    from torch import nn
    from ckd.models.student import build_vgg

    class Step(nn.Module):
        def forward(self, x): return "spikes", x * 2

    class Whole(nn.Module):
        alignment_layer = "inner.lif2"
        def __init__(self, classes):
            super().__init__()
            self.inner = nn.Module()
            self.inner.lif2, self.inner.lif1 = nn.Identity(), Step()
            self.vgg = build_vgg("4-AP-8-AP", input_shape=(2, 26, 26), classes=classes, first_padding=0)
        def forward(self, frames):
            logits, potential = self.vgg(frames)
            self.inner.lif2(potential)
            for step in potential:
                self.inner.lif1(step)
            return logits

    class Stepwise(Whole):
        alignment_layer = "inner.lif1"
"""


def test_the_aligned_layer_is_seen_called_once_or_once_a_step(write: Write) -> None:
    name = write(ALIGNED)
    whole, stepwise = (checked(f"{name}:{kind}", align_weight=0.5).eval() for kind in ("Whole", "Stepwise"))
    frames = (torch.rand(4, 5, 2, 26, 26) < 0.2).float()
    own = whole.module.vgg(frames)  # type: ignore[operator, union-attr]
    assert own.potential.abs().sum() > 0 and torch.equal(whole(frames).potential, own.potential)
    assert torch.equal(stepwise(frames).potential, 2 * own.potential)
    with torch.no_grad():
        assert torch.equal(whole(frames).logits, own.logits)
    whole(frames).potential.sum().backward()
    assert next(whole.parameters()).grad is not None


def test_without_an_aligned_layer_alignment_is_refused_not_left_out(write: Write) -> None:
    name = write(STUDENT)
    with pytest.raises(
        ConfigError, match=r"no alignment_layer, so --align-weight \(=0.5\) .* only logits are distilled"
    ):
        checked(f"{name}:Net", align_weight=0.5)
    with pytest.raises(ConfigError, match=f"--heads two needs to know the classifier, which --student {name}:Net"):
        config_of(f"{name}:Net", heads="two")


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.BatchNorm2d])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_static_branch_leaves_running_statistics_of_any_batch_norm(
    norm: type[nn.Module], momentum: float | None
) -> None:
    x = torch.randn(6, 3, 4, 4) if norm is nn.BatchNorm2d else torch.randn(6, 3)
    alone, beside = norm(3, momentum=momentum), norm(3, momentum=momentum)
    for _ in range(3):
        alone(x)
        with kept_statistics(beside):
            beside(5 * x + 1)
        beside(x)
    for name in ("running_mean", "running_var"):
        assert torch.equal(getattr(alone, name), getattr(beside, name))


BODY = """
    import numpy, torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.fc = nn.Linear(2 * 26 * 26, classes)
            self.flat = nn.Flatten(2)
            self.calls = 0
            MAKES
        def forward(self, frames):
            logits = self.fc(self.flat(frames))
            GIVES
    make = Net.__init__ and (lambda classes: Net(classes))
"""
BAD = [
    ("", "return logits.mean(0)", "logits of shape (2, 3) for frames of shape (4, 2, 2, 26, 26); they must have shape"),
    ("", "return logits[:, :, :2]", "gives logits of shape (4, 2, 2)"),
    ("", "return logits.transpose(0, 1)", "gives logits of shape (2, 4, 3)"),
    ("", "return logits.squeeze()", "gives logits of shape (4, 3) for frames of shape (4, 1, 2, 26, 26)"),
    ("", "return logits, logits", "TypeError: forward returned a tuple; it must be a tensor"),
    ("", "return None", "TypeError: forward returned a NoneType"),
    ("", "return logits.detach()", "gives logits without a gradient"),
    ("", "return logits / 0", "gives logits that are not finite"),
    ("", "return logits + torch.rand(1)", "gives other logits when it sees the same frames again"),
    # Silent until its weights are larger.
    (
        "",
        "return logits * (logits.abs() > 2.5) * torch.rand(1)",
        "gives other logits when it sees the same frames again",
    ),
    # Time and recordings taken for each other.
    ("", "return logits + logits.flip(1)", "gives a recording other logits alone than beside another"),
    ("", "self.calls += 1; return logits + self.calls", "every call must begin from rest"),
    ("", "return logits.to('meta')", "gives logits on meta for frames on cpu; keep to theirs"),
    ("", "return logits + torch.zeros(3, device='meta')", "on cpu it raised"),
    ("self.fc = nn.Linear(9, 9)", "return logits", "on cpu it raised RuntimeError: mat1 and mat2"),
    ("self.fc.bias.data += numpy.random.rand()", "return logits", "begins with other weights (fc.bias) at the same"),
    ("self.alignment_layer = 'lif2'", "return logits", "has no layer 'lif2', its alignment_layer; it has fc, flat"),
    (
        "self.alignment_layer = 'idle'; self.idle = nn.Identity()",
        "return logits",
        "forward never calls the layer 'idle'",
    ),
    (
        "self.alignment_layer = 'idle'; self.idle = nn.Flatten(0)",
        "self.idle(logits); return logits",
        "gives shape (24,)",
    ),
    ("Net.get_extra_state = Net.set_extra_state = print", "return logits", "keeps '_extra_state' in its state"),
    (
        "self.register_buffer('v', None)",
        "self.v = logits[0].detach(); return logits",
        "keeps 'v' among its weights with a",
    ),
    ("raise KeyError('x')", "return logits", "raised KeyError: 'x' at"),
    ("", "assert not self.training; return logits", "on cpu it raised AssertionError at"),
]


@pytest.mark.parametrize(("makes", "gives", "said"), BAD)
def test_what_cannot_be_trained_is_one_line(makes: str, gives: str, said: str, write: Write) -> None:
    name = write(BODY.replace("MAKES", makes).replace("GIVES", gives))
    with pytest.raises(ConfigError) as caught:
        checked(f"{name}:make")
    assert str(caught.value).startswith(f"--student {name}:make") and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_setting_of_the_refusals_is_itself_good(write: Write) -> None:
    assert checked(f"{write(BODY.replace('MAKES', '').replace('GIVES', 'return logits'))}:make").training


def test_what_is_no_module_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"returned a int; it must return a torch\.nn\.Module"):
        checked(f"{write('def make(classes): return classes')}:make")


def test_our_students_are_built_as_before() -> None:
    student = build_student(config_of("vgg"), classes=3)
    assert isinstance(student, Student) and student.network is student
    with pytest.raises(ConfigError, match="--student clever: unknown; known are vgg, resnet18, or"):
        config_of("clever")
    assert build_vgg("4-AP-8-AP", input_shape=(2, 26, 26), classes=3, first_padding=0).network is not student
