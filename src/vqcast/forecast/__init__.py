"""VMAF and size of encodes that nobody has made, as distributions: pure arithmetic.

A table of measured curves is the prior; one probe of a new title (its score, bits and
canonical-6) conditions it. Nothing here reads a file or runs a tool.
"""
