"""Why a runner or a format may refuse a random graph: every reason there is, by a pattern of its message.

A refusal that is not here fails the test, so that a runner that begins to refuse what it took is seen.
"""

NOBODY_MAY = {
    "a cycle with two entries": "all entered from outside, so the graph does not say",
    "a delay of no whole step": "is no whole number of at most",
    "delays that differ": "delays between .* in one node",
    "tau below the step": "forward Euler overshoots",
}
"""Of graphs that no route may claim."""

REASONS = NOBODY_MAY | {
    # Formats.
    "netx: chains alone": "netx has chains alone",
    "netx: no Delay, no pooling": "netx has no (Delay|SumPool)",
    "netx: other resets": "netx knows the hard reset at once alone",
    "netx: weights off the grid": "netx would round them",
    "netx: zeros alone": "all weights are 0, which netx cannot read",
    "netx: exponents": "netx has no weight exponent|netx takes 0 to",
    "netx: biases": "no multiple of 64, the unit of netx|beyond what netx holds",
    "netx: one value a layer": "differs? between neurons, netx has one a layer",
    "netx: synapses and neurons in turn": "neurons follow every synapse at once|netx has no neurons without a synapse",
    "netx: a threshold that says readout": "is a readout's in netx",
    "netx: flattening": "netx flattens what neurons give",
    "pooling that nothing takes": "a SumPool here cannot be folded",
    "NIR: no current without a leak": "current that decays.*NIR has no such neuron|has a bias; NIR has no such neuron",
    "NIR: a bias without leak or synapse": "has a bias, no leak, and no synapse of its own",
    "NIR: some leak, some do not": "NIR has no such layer",
    "NIR: neurons on the grid without a synapse": r"\((GridNeuron|Input)\) without a synapse",
    "ONNX: weights beyond 16 bits": "ONNX's integer layers take 16 bits",
    "ONNX: pooled counts beyond a byte": "a synapse takes up to 255",
    # Runners.
    "sums that float32 does not hold": r"not below 2\^24|can reach 2\^24",
    "a pipeline on which feedback is too early": (
        r"would have to arrive .* before it is sent|on a pipelined chip this feedback arrives \d+ steps late"
    ),
    "Lava: pooling that no weight can hold": r"\(SumPool\): Lava has no process for it",
    # The grid.
    "quantizing: gains within a channel": "its gain differs within a channel",
    "quantizing: a scale in the way": "a Scale here cannot be folded",
    "quantizing: a bias behind a delay": "on the grid a bias acts at once",
    "quantizing: nothing reaches it": "every weight that reaches it is 0",
    "quantizing: a threshold below the reset": "below the reset; the grid holds 0 and above",
}
