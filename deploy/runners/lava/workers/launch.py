"""Runs a worker script and ends it with whoever started it: python -I launch.py SCRIPT FOLDER.

Standard input is a pipe that the starter keeps open. When that is gone, however it went, so is every process here. `-I`
keeps the current folder, PYTHONPATH and the user's own packages out; the script's folder is put back.
"""

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def end_with_the_starter():
    """Ends the process group when the pipe closes. Lava's keeper of shared memory outlives SIGTERM to clean up."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGTERM)


if __name__ == "__main__":
    script, *sys.argv[1:] = sys.argv[1:]
    sys.argv[0] = script
    sys.path.insert(0, str(Path(script).parent))
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    runpy.run_path(script, run_name="__main__")
