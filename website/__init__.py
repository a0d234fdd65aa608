"""The documentation site: pages that are made as it is built, from the commands, the docstrings and files elsewhere."""
