"""From a float network to the grid."""
