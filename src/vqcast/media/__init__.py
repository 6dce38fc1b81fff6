"""Video in, numbers out: ffmpeg's argument lists, its one call site, probing, encoding, scoring.

``encoders`` and ``argv`` are pure; ``run`` is the only subprocess; ``probe``,
``encode`` and ``score`` check what was produced and never an exit status alone.
"""
