"""Kubernetes clusters, through lightkube."""
