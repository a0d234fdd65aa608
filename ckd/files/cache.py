"""Where this user keeps what takes long to make."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/ckd, or ~/.cache/ckd."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ckd"
