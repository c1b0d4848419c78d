"""What the engine and every screen share: a folder, and the words written in it.

A leaf: it imports the standard library and pydantic, nothing else.

==============  ======================================================================
``errors``      :class:`UserError`: one clear line, exit code 2
``plain``       anybody's text, safe to show
``cards``       which model, which benchmark source
``settings``    every knob of the five phases, its default and where it comes from
``spec``        a run and the five phase specs, with their fingerprints
``experiment``  a spec file: lists that expand to runs
``records``     one line of a demonstrations, pairs or predictions file
``events``      what a phase process says while it works
``row``         a run in a list: light, without pydantic
``rundir``      the only place where file names are spelled
``writing``     files that appear whole, with the rights of the umask
``clock``       whose clock stamps files
``eventlog``    writing and tailing ``events.jsonl``
``view``        fold(view, event) -> view, and the liveness rule
==============  ======================================================================
"""
