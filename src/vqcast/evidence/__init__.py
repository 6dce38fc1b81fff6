"""Evidence in, verdict out. Nothing here reads or writes a file."""
