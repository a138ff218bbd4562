"""Programs of the sandbox: they run by an environment's own Python and import nothing of Slipway but each other."""
