"""Models that need no code: what they take and give, and running them in batches."""
