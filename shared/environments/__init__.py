"""Environments: from a declaration to a lock, an identity, and what is built of them."""
