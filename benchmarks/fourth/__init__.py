"""What the fourth list of faults is made of: see `benchmarks/faults_fourth.py`."""
