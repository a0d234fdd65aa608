"""What recordings are worth: how many small changes of a model they would show."""
