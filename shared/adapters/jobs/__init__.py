"""Capabilities that run as jobs, whatever runs those: what they are to do and what comes of it are artifacts."""
