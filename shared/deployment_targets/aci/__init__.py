"""Azure Container Instances: what is put for an endpoint, and what its group says of itself."""
