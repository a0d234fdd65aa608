"""The students that come with the package: small, proven, found by name."""

from pathlib import Path

import pytest

import deploy
from deploy.checking.certificate.verify import verify_certificate
from deploy.cli import main
from deploy.errors import ModelError
from deploy.zoo import FOLDER, zoo_names, zoo_path


@pytest.mark.parametrize("name", zoo_names())
def test_a_student_of_the_zoo_is_what_its_certificate_says(name: str) -> None:
    assert verify_certificate(FOLDER / f"{name}.certificate") == ()
    assert sum(file.stat().st_size for file in FOLDER.glob(f"{name}.*")) < 1_000_000


def test_it_is_loaded_run_and_checked_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.load("zoo:nmnist").classes == tuple("0123456789")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "zoo:nmnist"]) == 0 and deploy.check("zoo:nmnist").equal
    assert "EQUAL: 0 of 273,636 spikes differ" in capsys.readouterr().out
    assert main(["run", "zoo:nmnist"]) == 0
    assert "accuracy 100.00%" in capsys.readouterr().out
    assert main(["report", "zoo:nmnist", "--recordings", "2"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["nmnist.html"]


def test_a_name_that_is_not_there_says_which_are() -> None:
    with pytest.raises(ModelError, match="zoo:mnist: no such student; the package comes with zoo:nmnist"):
        zoo_path("zoo:mnist")
    assert zoo_path("zoo/nmnist.nir") == Path("zoo/nmnist.nir")
