"""Results laid out as tables, for the command line, the interface, reports and exports.

``table``        a table with headers, rows and a note, as Markdown, LaTeX or CSV
``latex``        tables and figures that pdflatex typesets as they are
``terminal``     a table as rich draws it
``accuracies``   accuracies of runs and of a run's siblings, and what is behind each of them
``comparisons``  comparisons of runs: differences, settings, curves, matrix, fractions
``answers``      the quality of answers, and which ones a judge prefers
"""
