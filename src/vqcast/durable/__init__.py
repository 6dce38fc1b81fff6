"""The only code that writes files: atomic, synced, digested.

``files`` writes one file, ``folder`` replaces a whole folder, ``jsontext``
reads and writes JSON strictly, ``lock`` keeps two writers apart.
"""
