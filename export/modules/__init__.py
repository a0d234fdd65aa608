"""A torch module of any library as a network: followed call by call, folded over time, and proven against itself."""
