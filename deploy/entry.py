"""Where ckd-deploy begins."""

import sys
import traceback

from ckd.files import begin_command


def main() -> int:
    """ckd-deploy. Ctrl-C while its libraries are imported is one line, and a defect of ours is no verdict."""
    try:
        begin_command()
        from deploy.cli import main as command

        return command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception:
        traceback.print_exc()
        return 2  # 1 would say that what was checked differs.
