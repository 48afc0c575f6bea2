# SPDX-License-Identifier: GPL-2.0
"""cost.html of an arch and variant: what operations cost on the four paths, in pictures.

gather.py reads the files, document.page() makes the text. Of each outcome spread.py draws how the
costs of calls are distributed, ratio.py the ratios to c->c, growth.py costs by size; made.py has
the tables of make explain. draw.py has what the drawings share.
"""
