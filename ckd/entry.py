"""Where commands begin: ckd-train is python -m ckd.train that imports nothing from the current folder."""

from ckd.files import start_command


def train() -> int:
    """ckd-train."""
    return start_command("ckd.train")


def evaluate() -> int:
    """ckd-evaluate."""
    return start_command("ckd.evaluate")


def inspect() -> int:
    """ckd-inspect."""
    return start_command("ckd.inspect")


def compare() -> int:
    """ckd-compare."""
    return start_command("ckd.compare")


def pareto() -> int:
    """ckd-pareto."""
    return start_command("ckd.pareto")


def download() -> int:
    """ckd-download."""
    return start_command("ckd.download")
