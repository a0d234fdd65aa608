"""What a run trains and tests on. `ckd.data.own` takes tonic's data sets, others of (events, label), and arrays."""
