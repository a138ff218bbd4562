"""Controlled rollout: traffic rules, strategies, analysis and the state machine. Pure: nothing here does I/O."""
