"""Open Inference Protocol v2: https://github.com/kserve/open-inference-protocol."""
