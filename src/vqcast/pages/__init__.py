"""Pages about models, corpora and tunings: report, cards, datasheet, evaluation, charts.

Nothing here judges: every number is read from evidence, or computed by ``evidence`` from it.
"""
