"""Collects model inputs and outputs in the layout of Azure ML's data collector v2."""
