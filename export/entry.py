"""Where ckd-export begins."""

from ckd.entry import start


def main() -> int:
    """ckd-export."""
    return start("export.cli")
