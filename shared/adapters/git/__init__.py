"""Adapters of git: reading repositories, and reporting on commits to their hosts."""
