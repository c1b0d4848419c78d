"""Planning: an experiment's runs, their shared phases, and the time and memory needed."""
