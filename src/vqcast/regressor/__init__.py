"""Training: every (seed, fold) network of a run, fast on a CPU.

``engine.train`` takes the corpus's columns and a list of fits and yields the
trained networks. It reads and writes no files.
"""
