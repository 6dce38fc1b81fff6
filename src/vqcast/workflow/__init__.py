"""The work of vqcast as typed functions, for the command line and for Python alike."""
