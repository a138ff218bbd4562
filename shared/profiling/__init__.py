"""Measures a model's scoring server under real limits, and says which CPU and memory it needs for a load."""
