"""The embedded default: tiny tasks and tiny models of our own; works with no download.

``problems`` draws questions, ``voices`` words their answers in a family's style, ``tasks``
offers them as benchmarks; these never import torch. ``tokenizer``, ``recipes``, ``train``
and ``measure`` build and check the models kept in ``models/``.
"""
