"""Score an encode with numpy, onnxruntime and json: no vqcast, no ffmpeg, no torch."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def score(
    sidecar: Path, features: np.ndarray, encoder: str, crf: float, preset_norm: float = 0.5
) -> list[np.ndarray]:
    """Score, spread, lower and upper bound (90 %) of N frames, from features [N, 6]."""
    info = json.loads(sidecar.read_bytes())
    graph = (sidecar.parent / info["onnx"]).read_bytes()
    if hashlib.sha256(graph).hexdigest() != info["sha256"]:
        raise ValueError(f"{info['onnx']} is not the graph that was promoted")
    slots, corpus = info["encoder_vocab"], info["corpus"]
    codec = np.zeros((len(features), len(slots) + 2), np.float32)
    codec[:, slots.index(encoder if encoder in slots else "unknown")] = 1
    codec[:, -2] = preset_norm  # fastest preset 0, slowest 1
    codec[:, -1] = (crf - corpus["cq_min"]) / (corpus["cq_max"] - corpus["cq_min"])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    inputs = dict(zip(info["input_names"], (np.float32(features), codec), strict=True))
    return session.run(None, inputs)


if __name__ == "__main__":
    frames = np.array([[0.9596, 0.6260, 0.9144, 0.9574, 0.9759, 4.7305]])
    answer = score(Path(sys.argv[1]), frames, encoder="libx264", crf=26, preset_norm=5 / 9)
    mean, std, lower, upper = (values[0] for values in answer)
    print(f"score {mean:.2f}, spread {std:.2f}, interval {lower:.2f}..{upper:.2f}")
