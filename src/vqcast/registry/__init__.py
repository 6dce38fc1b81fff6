"""The registry: what its law asks (``law``), what changes it (``promote``), what rebuilds it."""
