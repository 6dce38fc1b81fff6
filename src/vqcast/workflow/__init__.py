"""The work of vqcast as typed functions: `vqcast.workflow.steps`, `vqcast.workflow.evaluate`."""
