"""Does knowing the codec help? ``python -m studies.lift --help``."""
