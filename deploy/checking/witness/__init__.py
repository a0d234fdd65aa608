"""Inputs that nobody recorded: frames on which two models, or two simulators of one, differ."""
