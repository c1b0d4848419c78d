"""Tiny tasks and models that ship with the program and need no download: the default.

``problems`` draws questions, ``voices`` words their answers in a family's style, ``tasks``
offers them as benchmarks; these never import torch. ``tokenizer``, ``recipes``, ``train``
and ``measure`` build and check the models kept in ``models/``.
"""
