"""A worker a core runs the tests: more threads in each would only fight for the cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch
