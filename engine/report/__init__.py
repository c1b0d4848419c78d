"""A study's report: tables, figures and one HTML page, made from its runs' results.

``sections``    the paper's tables of a study, one function each
``differences`` paired tests: whether a step helped, what a test set can detect
``figures``     the paper's figures of a study, one function each
``page``        tables and figures as one HTML page that needs no network
``folder``      writes the folder; no file that somebody has changed is overwritten
"""
