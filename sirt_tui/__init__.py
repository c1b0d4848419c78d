"""The terminal interface: screens over the engine's folder, queries and commands.

``app``      opens screens; ``page`` is what they share; ``dialogs`` and ``help`` lie over them
``hangup``   ends it when the terminal is gone
``feed``     the only poller: reads the folder in a thread, folds, posts messages
``screens``  one file a screen: lays panels out, calls queries and commands
``panels``   one file a panel: takes a view and draws it, knows nothing else
``charts``   curves on character cells
``table``    a table that renders the visible rows only
``format``, ``filtering``, ``diff``   pure functions over text and figures

It imports ``engine.schema`` and ``engine.commands`` and nothing else of the engine.
"""
