"""Where the plugin of pytest was before: an environment installed then names this file. See ckd.pytest_plugin."""

from ckd.pytest_plugin import *  # noqa: F403
