"""A network as a torch module that trains, and as a network again."""
