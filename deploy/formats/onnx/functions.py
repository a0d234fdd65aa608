"""The neurons as ONNX functions, in ONNX's own text: what a viewer shows when a neuron node is opened.

The integer ones are `deploy.grid` operator by operator. Integer Div rounds toward zero (ONNX, Div-14), which is `tz`;
integer Mod takes the sign of the divisor (ONNX, Mod-13, fmod 0), which makes both the wrap and the shift right of
negative numbers.
"""

DOMAIN = "ckd"
VERSION = 1
OPSET = 21
"""Of the standard operators; onnxruntime 1.18 knows it."""

_TEXTS = {
    # (x + 2^23) mod 2^24 - 2^23
    "Wrap24": """(x) => (y) {
        half = Constant <value_int = 8388608> ()
        turn = Constant <value_int = 16777216> ()
        above = Add (x, half)
        inside = Mod (above, turn)
        y = Sub (inside, half)
    }""",
    # tz(x * (4096 - decay), 12)
    "Leak": """(x, decay) => (y) {
        one = Constant <value_int = 4096> ()
        keep = Sub (one, decay)
        product = Mul (x, keep)
        y = Div (product, one)
    }""",
    # floor(x / 2^n) with divisor 2^n: the arithmetic shift right of a weighted sum
    "ShiftRight": """(x, divisor) => (y) {
        rest = Mod (x, divisor)
        whole = Sub (x, rest)
        y = Div (whole, divisor)
    }""",
    # u = wrap(a << 6)
    "ImmediateCurrent": """(a) => (u) {
        unit = Constant <value_int = 64> ()
        shifted = Mul (a, unit)
        u = ckd.Wrap24 (shifted)
    }""",
    # u = wrap(tz(u * (4096 - (du + 1)), 12) + (a << 6))
    "DecayingCurrent": """(a, u, du) => (u_next) {
        unit = Constant <value_int = 64> ()
        step = Constant <value_int = 1> ()
        shifted = Mul (a, unit)
        decay = Add (du, step)
        kept = ckd.Leak (u, decay)
        sum = Add (kept, shifted)
        u_next = ckd.Wrap24 (sum)
    }""",
    # clip(tz(v * (4096 - dv), 12) + u + bias, +-(2^23 - 1))
    "Potential": """(u, v, dv, bias) => (potential) {
        low = Constant <value_int = -8388607> ()
        high = Constant <value_int = 8388607> ()
        kept = ckd.Leak (v, dv)
        driven = Add (kept, u)
        biased = Add (driven, bias)
        potential = Clip (biased, low, high)
    }""",
    # spike = v > (vth << 6), v = 0 where spike
    "Fire": """(potential, vth) => (spikes, v) {
        unit = Constant <value_int = 64> ()
        zero = Constant <value_int = 0> ()
        threshold = Mul (vth, unit)
        fired = Greater (potential, threshold)
        v = Where (fired, zero, potential)
        spikes = Cast <to = 2> (fired)
    }""",
    "GridLIF": """(a, v, dv, vth, bias) => (spikes, u_next, v_next) {
        u_next = ckd.ImmediateCurrent (a)
        potential = ckd.Potential (u_next, v, dv, bias)
        spikes, v_next = ckd.Fire (potential, vth)
    }""",
    "GridCubaLIF": """(a, u, v, du, dv, vth, bias) => (spikes, u_next, v_next) {
        u_next = ckd.DecayingCurrent (a, u, du)
        potential = ckd.Potential (u_next, v, dv, bias)
        spikes, v_next = ckd.Fire (potential, vth)
    }""",
    "GridLI": """(a, v, dv, bias) => (u_next, v_next) {
        u_next = ckd.ImmediateCurrent (a)
        v_next = ckd.Potential (u_next, v, dv, bias)
    }""",
    "GridCubaLI": """(a, u, v, du, dv, bias) => (u_next, v_next) {
        u_next = ckd.DecayingCurrent (a, u, du)
        v_next = ckd.Potential (u_next, v, dv, bias)
    }""",
    # current_keep u + current_gain x
    "FloatCurrent": """(x, u, current_keep, current_gain) => (u_next) {
        kept = Mul (current_keep, u)
        driven = Mul (current_gain, x)
        u_next = Add (kept, driven)
    }""",
    # keep v + gain u + bias
    "FloatPotential": """(u, v, keep, gain, bias) => (potential) {
        kept = Mul (keep, v)
        driven = Mul (gain, u)
        sum = Add (kept, driven)
        potential = Add (sum, bias)
    }""",
    "FloatFire": """(potential, threshold, reset) => (spikes, v) {
        fired = Greater (potential, threshold)
        v = Where (fired, reset, potential)
        spikes = Cast <to = 1> (fired)
    }""",
    "LIF": """(x, v, keep, gain, bias, threshold, reset) => (spikes, u_next, v_next) {
        u_next = Identity (x)
        potential = ckd.FloatPotential (u_next, v, keep, gain, bias)
        spikes, v_next = ckd.FloatFire (potential, threshold, reset)
    }""",
    "CubaLIF": """(x, u, v, current_keep, current_gain, keep, gain, bias, threshold, reset)
        => (spikes, u_next, v_next) {
        u_next = ckd.FloatCurrent (x, u, current_keep, current_gain)
        potential = ckd.FloatPotential (u_next, v, keep, gain, bias)
        spikes, v_next = ckd.FloatFire (potential, threshold, reset)
    }""",
    "LI": """(x, v, keep, gain, bias) => (u_next, v_next) {
        u_next = Identity (x)
        v_next = ckd.FloatPotential (u_next, v, keep, gain, bias)
    }""",
    "CubaLI": """(x, u, v, current_keep, current_gain, keep, gain, bias) => (u_next, v_next) {
        u_next = ckd.FloatCurrent (x, u, current_keep, current_gain)
        v_next = ckd.FloatPotential (u_next, v, keep, gain, bias)
    }""",
}


def function_texts(used: set[str]) -> list[str]:
    """The functions that `used` needs, themselves and all they call, each as text for `onnx.parser.parse_function`."""
    needed, waiting = set(), set(used)
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting |= {other for other in _TEXTS if f"{DOMAIN}.{other} (" in _TEXTS[name]} - needed
    head = f'<domain: "{DOMAIN}", opset_import: ["" : {OPSET}, "{DOMAIN}" : {VERSION}]>'
    return [f"{head}\n{name} {text}" for name, text in _TEXTS.items() if name in needed]
