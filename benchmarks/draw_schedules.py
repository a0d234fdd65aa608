"""The schedules of training as pictures, from the very functions that training calls.

python -m benchmarks.draw_schedules        writes docs/schedules.png
"""

from pathlib import Path

from matplotlib.figure import Figure

from ckd.method.schedule import distillation_weight, learning_rate, replacement_probability, two_stage_probability

TOTAL = 400


def main() -> None:
    iterations = range(TOTAL + 1)
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    replacement, distillation, rate = figure.subplots(1, 3)
    for power in (1, 3, 6):
        chances = [replacement_probability(iteration, TOTAL, power=power) for iteration in iterations]
        replacement.plot(iterations, chances, label=f"sliding, power {power}")
    chances = [two_stage_probability(iteration, TOTAL) for iteration in iterations]
    replacement.plot(iterations, chances, ":", label="two-stage")
    replacement.set_title("P: chance that a recording replaces a still")
    for center, steepness in ((0.5, 30), (0.5, 10), (0.7, 30)):
        shares = (iteration / TOTAL for iteration in iterations)
        weights = [distillation_weight(share, center=center, steepness=steepness) for share in shares]
        distillation.plot(iterations, weights, label=f"center {center}, steepness {steepness}")
    distillation.set_title("W: weight of the distillation loss")
    for warmup in (10, 30, 100):
        rates = [learning_rate(iteration, TOTAL, peak=2e-3, warmup=warmup) for iteration in iterations]
        rate.plot(iterations, rates, label=f"warm-up {warmup}")
    rate.set_title("learning rate")
    for axis in (replacement, distillation, rate):
        axis.set_xlabel("iteration")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    Path("docs").mkdir(exist_ok=True)
    figure.savefig("docs/schedules.png", dpi=110)


if __name__ == "__main__":
    main()
