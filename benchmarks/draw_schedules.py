"""The schedules of training as pictures, from the very functions that training calls.

python -m benchmarks.draw_schedules        writes docs/schedules.png
"""

from pathlib import Path

from matplotlib.figure import Figure

from ckd.method.schedule import distillation_weight, learning_rate, replacement_probability, two_stage_probability

TOTAL = 400


def main() -> None:
    steps = range(TOTAL + 1)
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    replacement, distillation, rate = figure.subplots(1, 3)
    for power in (1, 3, 6):
        chances = [replacement_probability(step, TOTAL, power=power) for step in steps]
        replacement.plot(steps, chances, label=f"sliding, power {power}")
    replacement.plot(steps, [two_stage_probability(step, TOTAL) for step in steps], ":", label="two-stage")
    replacement.set_title("P: chance that a recording replaces a still")
    for centre, steepness in ((0.5, 30), (0.5, 10), (0.7, 30)):
        weights = [distillation_weight(step / TOTAL, centre=centre, steepness=steepness) for step in steps]
        distillation.plot(steps, weights, label=f"centre {centre}, steepness {steepness}")
    distillation.set_title("W: weight of the distillation loss")
    for warmup in (10, 30, 100):
        rates = [learning_rate(step, TOTAL, peak=2e-3, warmup=warmup) for step in steps]
        rate.plot(steps, rates, label=f"warm-up {warmup}")
    rate.set_title("learning rate")
    for axis in (replacement, distillation, rate):
        axis.set_xlabel("training step")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    Path("docs").mkdir(exist_ok=True)
    figure.savefig("docs/schedules.png", dpi=110)


if __name__ == "__main__":
    main()
