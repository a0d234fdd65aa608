"""Random graphs through every runner and format: each gives what an oracle gives, or refuses in one line."""
