"""The metrics of monitors, one module each; shared.monitoring.metrics.table lists them."""
