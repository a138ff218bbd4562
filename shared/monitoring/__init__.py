"""The statistics of monitors: data are read as a stream into sketches, and sketches are compared. Needs the extra
`monitoring`, and runs in a process of its own: `python -m shared.monitoring.worker`."""
