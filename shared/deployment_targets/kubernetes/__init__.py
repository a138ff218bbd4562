"""Kubernetes objects of endpoints and deployments, and what is read back of them."""
