"""The scoring server: an ONNX model or an Azure ML entry script as a web service. `python -m shared.scoring --help`.

It stands alone: model images hold this package and nothing else of the project.
"""
