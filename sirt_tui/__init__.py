"""The terminal interface: screens that show the engine's runs and change them.

``app``      opens screens; ``shell`` is the part of it that screens may use
``actions``  the one table of keys; ``keymap`` reads a person's own
``remembered``  what was chosen on the screens, for each runs folder
``page``     what all screens share
``feed``     the only poller: reads the runs folder in a thread and posts what has changed
``hangup``   ends the interface when the terminal is gone
``screens``  a file per screen: lays panels out, calls queries and commands
``panels``   a file per panel: draws what its screen gives it, knows nothing else
``widgets``  tables, texts, dialogs and charts that know nothing of experiments
``format``   figures and states as short text

It reads by ``engine.queries``, changes by ``engine.commands``, and never loads the training stack.
"""
