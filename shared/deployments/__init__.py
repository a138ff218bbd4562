"""Endpoints and deployments: from what is declared to what a target is to run."""
