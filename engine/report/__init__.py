"""A study's report: tables, figures and one page, made of what its runs have measured.

``study``       runs as the paper's conditions, seeds and cells
``statistics``  means over seeds, paired differences, what a test set can tell apart
``sections``    study -> tables, one function a question
``figures``     study -> figures, one function each
``page``        everything as one HTML page that needs no network
``folder``      written into a folder; nothing that somebody has changed is overwritten
"""
