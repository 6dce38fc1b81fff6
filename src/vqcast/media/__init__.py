"""Video in, numbers and a file out: probing, encoding, scoring and delivering with ffmpeg.

``encoders`` and ``argv`` are pure; ``run`` is the only subprocess; ``probe``,
``encode``, ``score`` and ``deliver`` check what was produced and never an exit status alone.
"""
