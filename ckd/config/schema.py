"""Everything that decides a run, as frozen dataclasses: a preset file fills them, the command line overrides them."""

from dataclasses import dataclass, field
from typing import Literal

from ckd.config.bounds import POSITIVE, bounded, check_numbers
from ckd.config.factories import is_factory
from ckd.errors import ConfigError

STUDENTS = ("vgg", "resnet18")
"""The students of this package."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Recordings and stills."""

    dataset: str = "digits"
    """Which data set of those named above, `folder` for recordings and images of one's own, or PACKAGE.MODULE:FACTORY
    for what a function of one's own returns."""
    data_root: str | None = None
    """Folder with the recordings and stills; the embedded digits need none."""
    labels_per_class: int | float | None = bounded(3, least=POSITIVE, whole="number, or a share under 1")
    """Labeled recordings of each class that the student may see; None: all that are not for validation or test.
    Here and below a number under 1 is a share of the class."""
    validation_per_class: int | float = bounded(10, least=0, whole="number, or a share under 1")
    """Recordings of each class that choose the best weights; 0: the last weights stay. A share leaves a class of fewer
    than three recordings without."""
    test_per_class: int | float = bounded(40, least=POSITIVE, whole="number, or a share under 1")
    """Recordings of each class that are measured at the end, and seen by nothing before."""
    size: int = bounded(34, least=8)
    """Height and width of the frames that the student sees, in pixels."""
    sensor: tuple[int, int] | None = None
    """Height and width of the sensor, whose pixels are gathered into `size` x `size`; None: what the recordings on disk
    reach, and of others the frames' size."""
    time_steps: int = bounded(8, least=0)
    """Steps of a recording; what comes after them is left out. 0: as many as the recordings last."""
    step_us: int = bounded(40_000, least=0)
    """Length of a time step in microseconds. 0: so that the recordings fill their steps."""
    max_count: int = bounded(1, least=1, most=255)
    """Where a pixel's event count stops; 1: binary frames, which every chip takes."""
    classes: tuple[str, ...] | None = None
    """Names of the classes to take from folders; None: all."""
    paired_names: bool = True
    """In `folder`: a recording and an image of the same class and file name show one original, which is never parted
    between training and test. Off: file names mean nothing."""
    films: int = bounded(4000, least=1)
    """How many stills are filmed where the static branch sees `camera`."""


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """The spiking network that is deployed."""

    student: str = "vgg"
    """A `vgg` of `widths`, the spiking `resnet18` of the paper, or PACKAGE.MODULE:FACTORY for a torch module of one's
    own, to which the other options of the student mean nothing."""
    widths: str = "16-AP-32-AP-64-AP"
    """Channels of a VGG's convolutions, AP for average pooling."""
    first_padding: int = bounded(0, least=0, most=16)
    """Padding of the first convolution."""
    beta: float = bounded(0.5, least=0, most=1)
    """Share of the membrane potential that a step keeps."""
    threshold: float = bounded(0.5, least=POSITIVE)
    """Membrane potential above which a neuron spikes."""
    surrogate_alpha: float = bounded(2.0, least=POSITIVE)
    """Steepness of the piecewise surrogate gradient."""


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The frame-based network that teaches the static branch."""

    teacher: str = "vgg"
    """vgg, resnet18, torchvision:NAME or timm:NAME."""
    teacher_file: str | None = None
    """Saved weights of such a network, the teacher.safetensors of another run; left out: it is trained here."""
    teacher_iterations: int = bounded(300, least=1)
    """Iterations of its training."""
    teacher_batch: int = bounded(64, least=2)
    """Stills of an iteration of its training."""
    teacher_lr: float = bounded(2e-3, least=POSITIVE)
    """Peak of its learning rate."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """Cross knowledge distillation, part by part."""

    distill: bool = True
    """Off: the event branch's class loss alone, which is the undistilled student."""
    baseline: bool = True
    """Also train the same student without distillation, same budget and augmentation, and report both."""
    heads: Literal["one", "two"] = "one"
    """One classifier for both branches (the paper), or a static head of its own (He et al.)."""
    static_input: Literal["value", "edges", "i2e", "camera"] = "edges"
    """What the static branch sees of a still: its HSV value at every step, its moving edges, the differences of
    neighboring pixels (I2E), or its film."""
    pairing: Literal["class", "random"] = "class"
    """Whether a recording's partner is a still of the same class, or any still."""
    event_share: float = bounded(1.0, least=POSITIVE, most=1)
    """Share of a batch's recordings that the event branch sees; a smaller one leaves more of the time to stills."""
    replacement: Literal["none", "sliding", "two-stage", "time-mix", "first-draw"] = "none"
    """How recordings take the place of stills: by sample (sliding), all at half time, or by time step (TMKT), from a
    binomial step on (time-mix) or from the first draw on that says so, as in the paper (first-draw)."""
    replacement_power: float = bounded(3.0, least=0)
    """Of sliding and time-step replacement: P = (share of the training that is done) ^ power."""
    align_weight: float = bounded(0.0, least=0)
    """Weight of the alignment term (centered kernel alignment of membrane potentials); He et al.: 0.5."""
    temporal_weights: bool = False
    """Learnable weights of the steps: they share each step between alignment, which must be on, and the event branch's
    class loss."""
    kd: Literal["none", "constant", "phased"] = "constant"
    """Distillation from the teacher: none, the same weight throughout, or phased out as in the paper."""
    kd_weight: float = bounded(1.0, least=0)
    """Weight of the distillation loss."""
    kd_center: float = bounded(0.5, least=0, most=1)
    """Where in a phased distillation its weight is one half, as a share of the training."""
    kd_steepness: float = bounded(30.0, least=0, most=1000)
    """How steeply it falls there."""
    kd_temperature: float = bounded(4.0, least=POSITIVE)
    """Divides the logits of both networks before they are compared: the higher, the softer."""
    kd_steps: Literal["mean", "each", "error-aware"] = "mean"
    """Which logits of the student learn from the teacher: their mean over the steps, those of each step (temporal
    decoupling), or those of each step without the pair of classes that it confuses (SeAl-KD)."""
    ensemble_weight: float = bounded(0.0, least=0)
    """Weight of the loss by which every step learns from the mean of all steps (temporal decoupling)."""
    selective_weight: float = bounded(0.0, least=0)
    """Weight of the loss by which every step learns from the other steps, most from sure and similar ones (SeAl-KD)."""
    tet: bool = True
    """Class loss at every step, then the mean; off: the loss of the mean logits."""
    tet_lam: float = bounded(1e-3, least=0, most=1)
    """Share of the class loss that keeps logits from growing, where `tet` is on."""
    pretrain: float = bounded(0.0, least=0, most=1)
    """In place of distillation: this share of the iterations on stills alone, the rest on recordings alone."""
    contrastive: int = bounded(0, least=0)
    """Iterations on the recordings that `labels_per_class` leaves out, without labels, before all else (SimCLR): two
    views of a recording learn to be alike, and unlike all others. 0: none."""
    activity: float | None = bounded(None, least=POSITIVE, most=1)
    """Budget of spikes per neuron and step on recordings, kept to by a loss of its own; None: no budget."""
    synaptic_operations: float | None = bounded(None, least=POSITIVE)
    """Budget of synaptic operations per recording, as `ckd-deploy map` counts them; None: no budget."""
    batch_norm: Literal["joint", "separate"] = "separate"
    """One set of batch statistics for both branches, or one each, of which evaluation uses the event branch's."""


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What varies from batch to batch; the same for the distilled and the undistilled student."""

    roll: float = bounded(2.0, least=0, whole="number of pixels")
    """Greatest shift in x and y, in pixels, zeros entering."""
    rotate: float = bounded(0.0, least=0, most=180)
    """Greatest rotation, in degrees."""
    scale: float = bounded(0.0, least=0, most=0.9)
    """Greatest relative change of size."""
    flip: bool = False
    """Mirror left and right half of the time."""
    drop_events: float = bounded(0.0, least=0, most=1)
    """Greatest share of events that are left out."""
    time_jitter: float = bounded(0.0, least=0, most=1)
    """Chance that a time step's events of a pixel move to a neighboring step."""
    event_mix: float = bounded(0.0, least=0, most=1)
    """Chance that a rectangle of a recording, over all time, comes from another one (EventMix); labels mix by area."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Optimizer and budget."""

    iterations: int = bounded(400, least=1)
    """Batches that each student is trained on."""
    batch: int = bounded(32, least=2)
    """Recordings of an iteration over all processes (`event_share` of them beside stills), and as many stills."""
    lr: float = bounded(2e-3, least=POSITIVE)
    """Peak of the learning rate."""
    weight_decay: float = bounded(0.01, least=0)
    """Of weights alone, not of batch norm, biases and step weights."""
    warmup: int = bounded(30, least=0)
    """Iterations of linear warm-up before the cosine."""
    clip: float = bounded(0.0, least=0)
    """Greatest norm of the gradient; 0: no limit."""
    ema: float = bounded(0.0, least=0, most=1)
    """Decay of an average of the weights that is evaluated in their place; 0: none."""
    evaluations: int = bounded(5, least=1)
    """How often in a run the student is measured on the validation recordings; that of the lowest loss is kept."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it runs (Lightning Fabric); several processes are started with torchrun."""

    accelerator: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where it computes; auto takes a GPU if there is one."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    """Of arithmetic in training, as Lightning Fabric names it."""
    deterministic: bool = False
    """Refuse algorithms whose result may vary from run to run."""
    checkpoint_seconds: float = bounded(60.0, least=0)
    """How much of a training a crash may cost; Ctrl-C, SIGTERM and SIGHUP cost nothing."""
    tensorboard: bool = False
    """Also write every number of metrics.jsonl for tensorboard, into the run folder."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """All of a run. `preset` names where the values came from."""

    preset: str = "digits"
    """A preset that comes with the package, or the path of a YAML file of one's own."""
    seed: int = bounded(0, least=0, most=2**62)
    """Decides the split, every fresh weight and every draw."""
    data: Data = field(default_factory=Data)
    student: StudentConfig = field(default_factory=StudentConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    method: Method = field(default_factory=Method)
    augment: Augment = field(default_factory=Augment)
    training: Training = field(default_factory=Training)
    machine: Machine = field(default_factory=Machine)

    def __post_init__(self) -> None:
        check_numbers(self)
        method, sensor, student = self.method, self.data.sensor, self.student.student
        if student not in STUDENTS and not is_factory(student):
            raise ConfigError(
                f"--student {student}: unknown; known are {', '.join(STUDENTS)}, or PACKAGE.MODULE:FACTORY"
            )
        if is_factory(student) and method.distill and method.heads == "two":
            raise ConfigError(
                f"--heads two needs to know the classifier, which --student {student} does not tell; give --heads one"
            )
        if is_factory(student) and method.contrastive:
            raise ConfigError(
                f"--contrastive (={method.contrastive}) needs to know the classifier, which --student {student} does "
                f"not tell; leave it out, or train {' or '.join(STUDENTS)}"
            )
        if is_factory(student) and (method.activity or method.synaptic_operations):
            raise ConfigError(
                "--activity and --synaptic-operations need to know the layers that spike, which --student "
                f"{student} does not tell; leave them out, or train {' or '.join(STUDENTS)}"
            )
        if sensor is not None and (len(sensor) != 2 or min(sensor) < 1):
            raise ConfigError(f"--sensor (={sensor}) must be the camera's height and width in pixels")
        if self.event_batch < 1:
            raise ConfigError(f"--event-share (={method.event_share}) must lie between 1 / --batch and 1")
        if method.event_share < 1 and (method.align_weight > 0 or method.pretrain > 0):
            raise ConfigError(
                f"--event-share (={method.event_share}) must be 1 with --align-weight, which compares pairs, and with "
                "--pretrain"
            )
        if method.distill and method.temporal_weights and method.align_weight == 0:
            raise ConfigError(
                "--temporal-weights needs --align-weight above 0: the weights share each step between alignment and "
                "the event branch's loss, and alone would only learn to silence the second"
            )

    @property
    def event_batch(self) -> int:
        """Recordings that the event branch sees in an iteration beside the static branch, over all processes."""
        return round(self.method.event_share * self.training.batch)

    @property
    def needs_teacher(self) -> bool:
        """Whether anything in this run asks a teacher."""
        return self.method.distill and self.method.kd != "none" and self.method.pretrain == 0
