"""Results laid out as tables, for the command line, the interface, reports and exports.

``table``        headers, rows and notes; Markdown, LaTeX, CSV
``latex``        tables and figures that pdflatex typesets as they are
``terminal``     a table as rich draws it
``accuracies``   of runs, of one run's siblings, behind each figure
``comparisons``  runs beside each other: differences, settings, curves, matrix, fractions
``answers``      what can be said of answers, and what a judge prefers
"""
