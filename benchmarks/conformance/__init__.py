"""Who reads whose NIR files, spike by spike: `python -m benchmarks.conformance`."""
