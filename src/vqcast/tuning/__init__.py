"""Find the CRF that meets a target: probe, forecast, decide, and encode with it."""
