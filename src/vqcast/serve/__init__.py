"""From a registry to a user's score, with nothing but NumPy and ONNX Runtime."""
