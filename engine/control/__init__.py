"""The verbs: what the command line and the screens both call.

=============  ===================================================================
``experiments``  plan, launch
``listing``      which runs there are, in which state; one run in full
``roster``       all runs, looked at again at the price of what changed; ``rows`` makes a row
``index``        the newest runs from the index alone
``changing``     stop, retry, delete, move, tag, note
``answers``      pairs, demonstrations and predictions; scoring again; export; compare
``comparing``    several runs beside each other; ``tabling`` makes tables of it for papers
``lineage``      what a run comes from, with hashes; ``lineage_tree`` draws it
``merged``       a run's student as a model folder, ``modelcard`` its README, ``pushing`` sends it
``bundling``     runs packed for somebody else; ``importing`` takes them in
``reporting``    a study's report: tables, figures, page
``quality``      steps, length, repetition and arithmetic of the answers
``judging``      a model compares two runs' answers; its replies are kept
``health``       doctor, devices
=============  ===================================================================
"""
