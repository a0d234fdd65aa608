"""Where ckd-deploy begins."""

import sys

from ckd.files import ignore_current_folder


def main() -> int:
    """ckd-deploy; Ctrl-C while its libraries are imported is one line, too."""
    try:
        ignore_current_folder()
        from deploy.cli import main as command

        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
