"""What people mistype and misplace: one line each, with the thing, its value and the way out, and nothing is lost."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import ckd.compare
import ckd.download
import ckd.evaluate
import ckd.inspect
import ckd.train
import deploy.cli
import export.cli
from deploy.formats.nir import write_nir
from deploy.runners import integer
from tests import builders
from tests.ckd.conftest import cache_of_the_tests, tiny_run
from tests.ckd.data.test_checks import write_data

__all__ = ["cache_of_the_tests", "tiny_run"]

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": ckd.train.main,
    "inspect": ckd.inspect.main,
    "evaluate": ckd.evaluate.main,
    "compare": ckd.compare.main,
    "download": ckd.download.main,
    "export": export.cli.main,
    "deploy": deploy.cli.main,
}
FOLDER = "train --preset folder --data-root mine"

MISTAKES = [
    # options
    ("train --preset nmist", ["--preset 'nmist'", "known are", "nmnist"]),
    ("train --preset mine.yml", ["mine.yml", "known are"]),
    ("train --preset", ["--preset needs a name"]),
    ("train --seed -1", ["--seed (=-1)", "between 0 and"]),
    ("train --labels-per-class 0", ["--labels-per-class (=0)", "positive"]),
    ("train --labels-per-class 1.5", ["--labels-per-class (=1.5)", "whole number"]),
    ("train --lr 0", ["--lr (=0.0)", "positive"]),
    ("train --lr nan", ["--lr (=nan)", "positive"]),
    ("train --iterations 1e3", ["--iterations '1e3': a whole number is needed"]),
    ("train --widths 16,32", ["'16,32'", "AP"]),
    ("train --size 33", ["31 x 31 pixels", "--size"]),
    ("train --student vgg16", ["--student vgg16", "vgg, resnet18"]),
    ("train --student my_models.py:make", ["my_models.py:make", "PACKAGE.MODULE:FACTORY"]),
    ("train --student nowhere:make", ["there is no module nowhere", "current folder"]),
    ("train --dataset folders", ["--dataset folders", "known are digits"]),
    ("train --kd phases", ["'phases'", "'phased'"]),
    ("train --teacher resnet50", ["'resnet50'", "torchvision:MODEL"]),
    ("train --teacher-file gone.safetensors", ["gone.safetensors", "no such file"]),
    ("train --temporal-weights", ["--temporal-weights", "--align-weight"]),
    ("train --distil", ["--distil", "--distill"]),
    ("train --precision fp16", ["'fp16'", "16-mixed"]),
    ("train --accelerator gpu", ["'gpu'", "cuda"]),
    # folders of runs
    ("train --out taken.txt", ["--out taken.txt", "is a file; give a folder"]),
    ("train --out mine", ["--out mine", "holds files that are no run's"]),
    ("train --out run", ["--out run", "exists already", "--overwrite"]),
    (f"{FOLDER} --out taken.txt/x", ["taken.txt", "only folders hold files", "another place"]),
    (f"{FOLDER} --out link", ["link: is a link that leads nowhere", "remove it"]),
    ("train --resume run", ["--resume run", "this run is finished"]),
    ("train --resume rnu", ["rnu", "no such run folder"]),
    ("train --resume mine", ["mine", "not a run folder"]),
    ("train --teacher-file run/student.safetensors --out o", ["--teacher-file", "holds 'nodes.", "not in it"]),
    ("train --teacher-file taken.txt --out o", ["taken.txt", "no .safetensors", "another file"]),
    ("train --resume run --lr 0.1", ["--resume takes no other option"]),
    # data
    ("train --preset folder", ["--data-root DIR"]),
    ("train --preset folder --data-root mien", ["--data-root", "mien: no such folder"]),
    ("train --preset nmnist --data-root mine", ["Train", "no such folder"]),
    (f"{FOLDER}/recordings", ["expects a folder recordings there", "put recordings into", "perhaps you meant"]),
    (f"{FOLDER} --sensor 30 40", ["sensor of 30 x 40", "at least 60 80"]),
    (f"{FOLDER} --sensor 60", ["--sensor '60': two whole numbers are needed"]),
    (f"{FOLDER} --classes high tall", ["--classes tall", "there are high, wide"]),
    (f"{FOLDER} --test-per-class 10", ["has 4 recordings, too few", "--test-per-class"]),
    ("train --preset folder --data-root single", ["has 1 recording, too few", "record more of it, leave it out with"]),
    (f"{FOLDER} --step-us 500000 --time-steps 4", ["a step lasts 500,000 us", "--step-us"]),
    (f"{FOLDER} --step-us 40 --time-steps 4", ["nanoseconds", "--step-us"]),
    (f"{FOLDER} --classes", ["--classes: names folders, and none is named; there are high, wide"]),
    ("train --classes 3", ["--classes", "digits has none"]),
    ("inspect mine --size 0", ["--size (=0)", "at least 8"]),
    ("inspect mine --data-root run", ["--data-root run", "beside mine", "give one"]),
    ("inspect mine --picture mine/images/high/photo0.png", ["photo0.png", "another name"]),
    ("inspect mine --classes high", ["high is the only class", "at least two"]),
    (f"{FOLDER} --classes high", ["high is the only class", "at least two"]),
    ("inspect mien", ["mien: no such folder; perhaps you meant mine"]),
    ("inspect mine/recordings", ["perhaps you meant mine"]),
    ("inspect mine/recordings/high", ["perhaps you meant mine"]),
    ("inspect .", ["perhaps you meant mine"]),
    ("inspect taken.txt", ["taken.txt: is a file", "give the folder"]),
    ("train --data-root mine", ["mine: the embedded digits", "--preset folder"]),
    ("inspect mine --dataset cifar", ["--dataset cifar", "known are"]),
    ("download mnist data", ["mnist", "known are n-caltech101"]),
    # evaluation and comparison
    ("evaluate rnu", ["rnu", "no such run folder"]),
    ("evaluate run --events mien", ["mien: no such folder"]),
    ("evaluate run/config.yaml", ["is a file, not a run folder; perhaps you meant run"]),
    ("evaluate went", ["--data-root /gone: no such folder", "has moved, say so in went/config.yaml"]),
    ("evaluate .", ["perhaps you meant run"]),
    ("evaluate run --events mine/recordings", ["'high' is none of the run's classes", "folders' names are the labels"]),
    ("evaluate went --baseline", ["went: this run trained no student without distillation", "leave out --baseline"]),
    ("evaluate run --baseline --event mine", ["--event", "--events"]),
    ("compare", ["no run folders", "python -m ckd.compare"]),
    ("compare run rnu", ["rnu", "no such run folder"]),
    # export
    ("export swapped", ["swapped/student.safetensors", "not the weights that this run trained"]),
    ("export rnu", ["rnu", "no such run folder; perhaps you meant run"]),
    ("export taken.txt", ["taken.txt: is a file, not a run folder"]),
    ("export run/student.safetensors", ["is a file, not a run folder; perhaps you meant run"]),
    ("export run --to nri", ["'nri'", "nir"]),
    ("export run --chip loihi", ["'loihi'", "loihi1"]),
    ("export run --weight-bits 9", ["--weight-bits", "9", "8"]),
    ("export run --weight-bits 0", ["--weight-bits (=0)", "between 1, or 2 for weights of both signs, and 8"]),
    ("export run --weight-bits 1", ["weights of both signs", "at least 2 bits", "--weight-bits"]),
    ("export run --out taken.txt", ["taken.txt"]),
    ("export run --frames frames.npy", ["--frames is for a module", "run is none"]),
    ("export run --events mine", ["run", "leave out --events"]),
    # deployment
    ("deploy rnu model.nir", ["rnu: no such command", "run, check"]),
    ("deploy run modle.nir", ["modle.nir", "no such model file"]),
    ("deploy run run", ["run", "is a folder, not a model file", "ckd-export"]),
    ("deploy run model.nir --on loihi", ["loihi", "integer"]),
    ("deploy run model.nir --frames fames.npy", ["fames.npy", "no such file"]),
    ("deploy run model.nir --frames floats.npy", ["floats.npy", "float64", "whole numbers from 0 to 255"]),
    ("deploy run model.nir --frames nan.npy", ["nan.npy", "hold nan", "counts, or spikes as 0 and 1"]),
    ("deploy run model.nir --frames pixels.npy", ["pixels.npy", "(4, 10)", "recordings, steps"]),
    ("deploy run flat.nir --events mine/recordings --step-us 1000 --steps 5", ["two polarities", "(3,)", "--frames"]),
    ("deploy run model.nir --events mien", ["mien: no such folder"]),
    ("deploy run model.nir --events mine/recordings", ["'high' is no class of the model", "circle"]),
    ("deploy run model.nir --events mine", ["no recordings found", "perhaps you meant mine/recordings"]),
    ("deploy run model.nir --events mine/recordings/high", ["no recordings", "perhaps you meant mine/recordings"]),
    ("deploy run model.nir --step-us 77", ["--step-us 77", "leave it out"]),
    ("deploy run model.nir --events mine --frames frames.npy", ["--events and --frames exclude each other"]),
    ("deploy run model.nir --recordings 0", ["0"]),
    ("deploy run model.nir --recordings abc", ["--recordings 'abc': a whole number is needed"]),
    ("deploy run model.nir --dt x", ["--dt 'x': a number is needed"]),
    ("deploy run model.nir --trace model.nir", ["would replace", "another name"]),
    ("deploy run model.nir --trace other.trace", ["other.trace", "proves other.nir", "another name"]),
    ("deploy check model.nir other.nri", ["other.nri", "no such"]),
    ("deploy check zoo:", ["zoo: needs the name of a student behind it", "zoo:nmnist"]),
    ("deploy check model.nir --trace run", ["run: is a folder, no trace"]),
    ("deploy check taken.txt", ["taken.txt"]),
    ("deploy check model.nir --trace flat.trace", ["flat.trace: the trace of another model", "(3,)", "(2, 10, 10)"]),
    ("deploy report model.nir --chip tpu", ["tpu", "loihi1"]),
    ("deploy report model.nir --out taken.txt", ["taken.txt", "not replaced"]),
    ("deploy report model.nir --out link/x.html", ["link: is a link that leads nowhere"]),
    ("deploy certify run", ["run: is a folder"]),
    ("deploy map model.trace", ["model.trace"]),
    ("deploy compile model.nir -o ready.onnx", ["ready.onnx", ".nir"]),
    ("deploy compile model.nir -o ready.nir --weight-bits 4", ["--weight-bits 4", "on the grid already"]),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_run: Path) -> Path:
    """A folder with data of one's own, a finished run, a model with its trace, and files of other kinds."""
    folder = tmp_path_factory.mktemp("place")
    write_data(folder / "mine")
    shutil.copytree(tiny_run, folder / "run")
    shutil.copytree(tiny_run, folder / "swapped")
    (folder / "swapped" / "baseline.safetensors").replace(folder / "swapped" / "student.safetensors")
    model = builders.write_model(folder)
    shutil.copy(model, folder / "other.nir")
    shutil.copy(model.with_suffix(".trace"), folder / "other.trace")
    model.rename(folder / "model.nir")
    model.with_suffix(".trace").rename(folder / "model.trace")
    (folder / "taken.txt").write_text("my thesis\n")
    np.save(folder / "frames.npy", builders.small_frames())
    np.save(folder / "floats.npy", builders.small_frames() * 0.5)
    np.save(folder / "nan.npy", np.where(builders.small_frames() > 0, np.nan, 0).astype(np.float32))
    np.save(folder / "pixels.npy", np.zeros((4, 10), np.uint8))
    (folder / "link").symlink_to("nowhere")
    shutil.copytree(tiny_run, folder / "went")
    write_data(folder / "single")
    for path in sorted((folder / "single/recordings/wide").iterdir())[1:]:
        path.unlink()
    config = yaml.safe_load((folder / "went" / "config.yaml").read_text())
    (folder / "went" / "baseline.safetensors").unlink()
    config["data"] |= {"dataset": "folder", "data_root": "/gone"}
    (folder / "went" / "config.yaml").write_text(yaml.safe_dump(config))
    write_nir(builders.small().replace(scale_bits={"lif": 0}), folder / "flat.nir")
    integer.run(builders.small(), builders.FRAMES).save(folder / "flat.trace")
    return folder


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file below a folder, but for the cache."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def told(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    name, *words = command.split()
    try:
        code = COMMANDS[name](words)
    except SystemExit as end:
        code = int(str(end.code))
    return code, capsys.readouterr().err


@pytest.mark.parametrize(("command", "parts"), MISTAKES, ids=[command for command, _ in MISTAKES])
def test_a_mistake_is_one_line_and_loses_nothing(
    command: str, parts: list[str], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    before = contents(place)
    code, said = told(command, capsys)
    *notes, error = said.splitlines() or [""]
    assert code == 2 and error.startswith("error: "), said
    assert all(line.startswith(("note: ", "reading and filming")) for line in notes), said
    assert [part for part in parts if part not in error] == [], error
    assert len(error) < 500 and "Traceback" not in said
    assert contents(place) == before


def test_there_are_sixty_and_none_is_there_twice() -> None:
    commands = [command for command, _ in MISTAKES]
    assert len(set(commands)) == len(commands) >= 60
