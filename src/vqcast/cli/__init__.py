"""The command line: one thin file a command, and how results are shown."""
