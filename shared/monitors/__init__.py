"""The control plane of monitors: when they run, over which data, what a result comes to and who is told."""
