"""Data assets: which of their files hold rows, and how these are read; pure."""
