"""What is kept of data: counts at edges, categories, moments; small, mergeable, stored without pickle."""
