"""One encode and its numbers: identity, measurement, cache."""
