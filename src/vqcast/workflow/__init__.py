"""The typed workflow: build, train, judge, promote."""
