"""A study's report: tables, figures and one HTML page, made from its runs' results.

``sections``    study -> tables, one function a question
``differences`` paired tests: whether a step helped, what a test set can tell apart
``figures``     study -> figures, one function each
``page``        everything as one HTML page that needs no network
``folder``      written into a folder; nothing that somebody has changed is overwritten
"""
