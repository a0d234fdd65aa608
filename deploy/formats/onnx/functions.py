"""The neurons as ONNX functions, in ONNX's own text: what a viewer shows when a neuron node is opened.

The integer ones are `deploy.grid` operator by operator. Integer Div rounds toward zero (ONNX, Div-14), which is `tz`;
integer Mod takes the sign of the divisor (ONNX, Mod-13, fmod 0), which makes both the wrap and the shift right of
negative numbers.
"""

from functools import cache

from deploy.extras import require_onnx
from deploy.network import Neuron

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
    # tz(v * (4096 - dv), 12) + u + bias
    "Driven": """(u, v, dv, bias) => (driven) {
        kept = ckd.Leak (v, dv)
        both = Add (kept, u)
        driven = Add (both, bias)
    }""",
    # clip(v, +-(2^23 - 1))
    "Saturate": """(v) => (saturated) {
        low = Constant <value_int = -8388607> ()
        high = Constant <value_int = 8388607> ()
        saturated = Clip (v, low, high)
    }""",
    "Potential": """(u, v, dv, bias) => (potential) {
        driven = ckd.Driven (u, v, dv, bias)
        potential = ckd.Saturate (driven)
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
    # spike = v > (vth << 6), v = v - (vth << 6) where spike
    "SoftFire": """(potential, vth) => (spikes, v) {
        unit = Constant <value_int = 64> ()
        threshold = Mul (vth, unit)
        fired = Greater (potential, threshold)
        less = Sub (potential, threshold)
        v = Where (fired, less, potential)
        spikes = Cast <to = 2> (fired)
    }""",
    # spike = v > (vth << 6); v keeps what it is
    "NoResetFire": """(potential, vth) => (spikes, v) {
        unit = Constant <value_int = 64> ()
        threshold = Mul (vth, unit)
        fired = Greater (potential, threshold)
        v = Identity (potential)
        spikes = Cast <to = 2> (fired)
    }""",
    # what a spike of the step before, at which v lay above the threshold, does to the potential of this one
    "LateReset": """(driven, v, vth) => (potential) {
        unit = Constant <value_int = 64> ()
        zero = Constant <value_int = 0> ()
        threshold = Mul (vth, unit)
        fired = Greater (v, threshold)
        potential = Where (fired, zero, driven)
    }""",
    "LateSoftReset": """(driven, v, vth) => (potential) {
        unit = Constant <value_int = 64> ()
        threshold = Mul (vth, unit)
        fired = Greater (v, threshold)
        less = Sub (driven, threshold)
        potential = Where (fired, less, driven)
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
    "FloatSoftFire": """(potential, threshold, reset) => (spikes, v) {
        fired = Greater (potential, threshold)
        less = Sub (potential, reset)
        v = Where (fired, less, potential)
        spikes = Cast <to = 1> (fired)
    }""",
    "FloatNoResetFire": """(potential, threshold, reset) => (spikes, v) {
        fired = Greater (potential, threshold)
        v = Identity (potential)
        spikes = Cast <to = 1> (fired)
    }""",
    "FloatLateReset": """(driven, v, threshold, reset) => (potential) {
        fired = Greater (v, threshold)
        potential = Where (fired, reset, driven)
    }""",
    "FloatLateSoftReset": """(driven, v, threshold, reset) => (potential) {
        fired = Greater (v, threshold)
        less = Sub (driven, reset)
        potential = Where (fired, less, driven)
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


def _neurons() -> dict[str, str]:
    """Every kind of spiking neuron: on the grid or in floats, with a current or not, with each reset."""
    texts = {}
    for cuba in (False, True):
        for reset, (fire, late) in _RESETS.items():
            states = "u, v" if cuba else "v"
            taken = f"a, {states}, {'du, ' if cuba else ''}dv, vth, bias"
            texts[f"Grid{'Cuba' if cuba else ''}LIF{reset}"] = f"""({taken}) => (spikes, u_next, v_next) {{
        u_next = {"ckd.DecayingCurrent (a, u, du)" if cuba else "ckd.ImmediateCurrent (a)"}
        driven = ckd.Driven (u_next, v, dv, bias)
        kept = {f"ckd.{late} (driven, v, vth)" if late else "Identity (driven)"}
        potential = ckd.Saturate (kept)
        spikes, v_next = ckd.{fire} (potential, vth)
    }}"""
            taken = f"x, {states}, {'current_keep, current_gain, ' if cuba else ''}keep, gain, bias, threshold, reset"
            texts[f"{'Cuba' if cuba else ''}LIF{reset}"] = f"""({taken}) => (spikes, u_next, v_next) {{
        u_next = {"ckd.FloatCurrent (x, u, current_keep, current_gain)" if cuba else "Identity (x)"}
        driven = ckd.FloatPotential (u_next, v, keep, gain, bias)
        potential = {f"ckd.Float{late} (driven, v, threshold, reset)" if late else "Identity (driven)"}
        spikes, v_next = ckd.Float{fire} (potential, threshold, reset)
    }}"""
    return texts


_RESETS = {
    "": ("Fire", ""),
    "Soft": ("SoftFire", ""),
    "NoReset": ("NoResetFire", ""),
    "LateReset": ("NoResetFire", "LateReset"),
    "LateSoft": ("NoResetFire", "LateSoftReset"),
}
"""By the end of a neuron's name: what happens at a spike, and what in the step after."""

_TEXTS |= _neurons()


def reset_suffix(node: Neuron) -> str:
    """How the name of the function of a spiking neuron ends."""
    if node.reset_mechanism == "none":
        return "NoReset"
    soft = node.reset_mechanism == "subtract"
    if node.reset_delay:
        return "LateSoft" if soft else "LateReset"
    return "Soft" if soft else ""


@cache
def known_functions() -> dict[str, bytes]:
    """Every function by its name, as a file holds it."""
    parse = require_onnx().parser.parse_function
    found = [parse(text) for text in function_texts(set(_TEXTS))]
    return {function.name: function.SerializeToString(deterministic=True) for function in found}


def function_texts(used: set[str]) -> list[str]:
    """The functions that `used` needs, themselves and all they call, each as text for `onnx.parser.parse_function`."""
    needed, waiting = set(), set(used)
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting |= {other for other in _TEXTS if f"{DOMAIN}.{other} (" in _TEXTS[name]} - needed
    head = f'<domain: "{DOMAIN}", opset_import: ["" : {OPSET}, "{DOMAIN}" : {VERSION}]>'
    return [f"{head}\n{name} {text}" for name, text in _TEXTS.items() if name in needed]
