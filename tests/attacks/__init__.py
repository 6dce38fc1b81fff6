"""Attacks that are counted: what is tried, what held, what did not.

``tests/crash``, ``tests/hostile`` and ``tests/fuzz`` run a quick share of each;
``python -m attacks`` runs them in full and writes ``docs/reliability.md``.
"""
