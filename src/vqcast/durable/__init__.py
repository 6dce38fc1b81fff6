"""The only code that writes files: atomic, synced, digested.

``files`` writes one file, ``folder`` replaces a whole folder, ``jsontext``
reads and writes JSON strictly, ``lock`` keeps two writers apart. ``disk`` is
the seam below them through which every change goes.
"""
