"""The prompt for a judge that compares two answers, and the tally of its verdicts."""
