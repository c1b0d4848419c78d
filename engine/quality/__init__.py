"""Measures of generated answers that need no judge.

``arithmetic``  equations in a text, and whether they are true
``measures``    answers -> one :class:`~engine.quality.measures.Quality`
``table``       the same as a table for people and reports
"""
