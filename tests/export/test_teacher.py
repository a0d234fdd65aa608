"""The teacher as an ONNX graph gives what PyTorch gives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ckd.runs.folder import load_run
from export.teacher import read_teacher, write_teacher

pytest.importorskip("onnx", reason="needs the extra onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def test_the_teacher_gives_its_logits_at_every_batch_size(tiny_run: Path, tmp_path: Path) -> None:
    run = load_run(tiny_run)
    write_teacher(run, tmp_path / "teacher.onnx")
    teacher, channels = read_teacher(run)
    session = runtime.InferenceSession(str(tmp_path / "teacher.onnx"), providers=["CPUExecutionProvider"])
    for batch in (1, 7):
        stills = np.random.default_rng(batch).random((batch, channels, *[run.config.data.size] * 2), np.float32)
        with torch.no_grad():
            expected = teacher(torch.from_numpy(stills)).numpy()
        # float32 sums in another order.
        np.testing.assert_allclose(session.run(None, {"stills": stills})[0], expected, rtol=1e-4, atol=1e-4)
