"""The commands of ckd-deploy, one a file: each is a dataclass of its arguments with `execute() -> exit code`."""

EQUAL, DIFFERENT, CANNOT = 0, 1, 2
"""Exit codes of every command: done and equal; done and different; could not be done."""

INTERRUPTED = 130
