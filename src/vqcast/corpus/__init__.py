"""The corpus: planned as a list of cells, built by measuring each, loaded as a checked table."""
