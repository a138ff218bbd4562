"""Optimisation: a trained model to ONNX, variants of it, and the proof that they answer the same, faster."""
