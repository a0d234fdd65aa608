"""What the fifth list of faults is made of: see `benchmarks/faults_fifth.py`."""
