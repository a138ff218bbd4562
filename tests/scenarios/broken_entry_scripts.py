"""Entry scripts that can't be served: source, and what the log says of it."""

from __future__ import annotations

from tests.scenarios.entry_script_cases import SCHEMA

BROKEN = {
    "no init": ("def run(data): pass", "does not have a init() function"),
    "no run": ("def init(): pass", "does not have a run() function"),
    "import fails": ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    "syntax": ("def init(:", "SyntaxError"),
    "init fails": ("def init(): raise ValueError('no model')\ndef run(data): pass", "no model"),
    "init exits": ("import sys\ndef init(): sys.exit(0)\ndef run(data): pass", "SystemExit"),
    "any arguments": ("def init(): pass\ndef run(*args): pass", "cannot accept positional-only arguments"),
    "positional only": ("def init(): pass\ndef run(data, /): pass", "cannot accept positional-only arguments"),
    "no parameter": ("def init(): pass\ndef run(): pass", "needs to accept an argument for input data"),
    "headers only": ("def init(): pass\ndef run(request_headers): pass", 'an argument other than "request_headers"'),
    "raw and schema": (
        "from azureml_inference_server_http.api.aml_request import rawhttp\n"
        + SCHEMA.replace("@input", "@rawhttp\n@input", 1),
        "cannot be decorated with both",
    ),
}
