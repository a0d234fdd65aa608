"""Where ckd-export begins."""

from ckd.files import start_command


def main() -> int:
    """ckd-export."""
    return start_command("export.cli")
