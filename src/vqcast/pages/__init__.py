"""The page that shows a run or a registry: ``vqcast report``.

``subject`` reads the evidence, the chart modules turn figures into SVG, and
``page`` sets both in one self-contained HTML file. Nothing here judges: every
number is read from evidence, or computed by ``judge`` from it.
"""
