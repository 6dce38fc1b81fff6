"""From trained weights to the shipped files: graph, sidecar, manifest, and their agreement."""
