"""What a judge is asked about two answers, and what its verdicts amount to."""
