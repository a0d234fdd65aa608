"""Where ckd-deploy begins."""

from ckd.files import start_command


def main() -> int:
    """ckd-deploy."""
    return start_command("deploy.cli")
