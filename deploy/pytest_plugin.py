"""Where the plugin of pytest was before: an environment installed then names this file."""

pytest_plugins = ["ckd.pytest_plugin"]
