"""The engine: from an experiment's file to an accuracy table.

Read it in this order: :mod:`engine.schema` (the words and the folder), :mod:`engine.planning.graph`
(experiment -> runs -> phases), :mod:`engine.phases` (the method, one flat recipe a phase), then
:mod:`engine.scheduling.daemon` (who starts them) and :mod:`engine.commands` (the verbs).

Imports go one way: cli -> control -> conductor, plan, registry -> interfaces -> contract, and
phases -> teachers -> models -> tasks -> scoring -> contract. ``.importlinter`` holds the rules.
"""
