"""Attacks that are counted: what is tried, what held, what did not.

``tests/crash`` and ``tests/hostile`` run a quick share of each;
``python -m attacks`` runs them in full and writes ``docs/reliability.md``.
"""
