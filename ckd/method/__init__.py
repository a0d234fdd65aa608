"""Cross knowledge distillation: the batch of an iteration, the two branches, the losses and their schedules."""
