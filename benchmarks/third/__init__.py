"""What the third list of faults is made of: see `benchmarks/faults_third.py`."""
