"""The run folder: what training leaves behind and the export wing reads."""
