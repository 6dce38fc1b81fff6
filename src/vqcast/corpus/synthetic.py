"""A made-up corpus in seconds, for proving the load path without any video.

Every row says ``"synthetic": true``; evidence made on it is marked as smoke,
and no verdict on it can be PROMOTE.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vqcast.documents import jsontext
from vqcast.durable.files import write_atomic
from vqcast.vocab import FEATURES

_ENCODERS = ("libx264", "libx265", "libsvtav1")
_QUALITIES = (18, 28, 38)
_PUBLISHED_MIDDLE = np.array([0.93, 0.55, 0.85, 0.90, 0.93, 6.0])
_PER_LOSS = np.array([-0.25, -0.45, -0.40, -0.30, -0.22, 0.0])


def write(out: Path, *, sources: int = 4, frames: int = 12, seed: int = 0) -> str:
    """Write a synthetic corpus of ``sources * 9 * frames`` rows; return its sha256.

    Features fall smoothly with the quality number, and the score is a smooth
    function of the features: enough to be learnt, nothing like real video.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    lines = []
    for source in range(sources):
        content = generator.uniform(-0.03, 0.03, len(FEATURES))
        for number, encoder in enumerate(_ENCODERS):
            for cq in _QUALITIES:
                loss = (cq - 18) / 20 - 0.1 * number
                for frame in range(frames):
                    noise = generator.normal(0.0, 0.01, len(FEATURES))
                    features = _PUBLISHED_MIDDLE + _PER_LOSS * (loss - 0.3) + content + noise
                    score = 100.0 * (0.6 * features[0] + 0.4 * features[3]) - 4.0
                    lines.append(
                        jsontext.dump_line(
                            {
                                "src": f"synthetic_{source}",
                                "encoder": encoder,
                                "cq": cq,
                                "frame_index": frame,
                                "vmaf": round(float(np.clip(score, 0.0, 100.0)), 6),
                                **{
                                    name: round(float(value), 6)
                                    for name, value in zip(FEATURES, features, strict=True)
                                },
                                "synthetic": True,
                            }
                        )
                    )
    return write_atomic(out, b"".join(lines))
