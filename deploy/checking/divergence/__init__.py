"""Why two runs differ: the first divergence from close by, and its cause by substitution.

`explain` needs two traces, and finds more the more it is given: the network of each, and the frames.
"""
