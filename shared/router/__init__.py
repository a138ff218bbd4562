"""The local router: one port in front of an endpoint's deployments. It imports nothing else of the project."""
