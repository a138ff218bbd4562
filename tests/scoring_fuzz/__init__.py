"""Coverage-guided fuzzing of the scoring server's parsers with atheris (PyPI), in an environment of its own."""
