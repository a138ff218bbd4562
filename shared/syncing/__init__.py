"""Declared files made so: `plan` decides for each file, `apply` does it."""
