"""From a trained student to files that others can run. Imports both other wings."""

import os

# PyTorch's threads spin while they wait for each other. On a busy machine that doubles an export's time; sleeping costs
# little on an idle one. It is read once, when PyTorch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
