# SPDX-License-Identifier: GPL-2.0
"""out/report.html: results.json as one page for a browser, which needs nothing else.

gather.py reads the files, document.page() makes the text of what it has read. markup.py alone
writes tags; whatever results say passes through it as text.
"""
