"""Phases as jobs of a Slurm cluster, by Slurm's own commands.

    program.py    runs one of those commands: clean environment, limit on time
    states.py     what Slurm's words mean: states, reasons, in plain words
    queries.py    what the queue and the accounting know of our jobs
    arrays.py     evaluations that are alike as one job with a task for each
    handles.py    what is written down of a job: its name, then its id
    script.py     the job's script
    submit.py     hands a script over, once
    starting.py   what a phase, or an array of them, is handed over with
    launcher.py   the launcher: the above, for the conductor and for screens
    jobs.py       our jobs and the nodes for whoever looks; holding jobs
    detect.py     what a cluster offers, for `sirt site init`

What must stay true: a job is known by its name, which is written down before it is handed over; the
folder is believed first, then the queue, then the accounting; a question that could not be asked is
never taken for an answer.
"""
