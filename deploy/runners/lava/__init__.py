"""Everything that runs in Lava, in a Python 3.10 of its own: networks, netx files, and Loihi 2 itself."""
