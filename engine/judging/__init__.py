"""Comparing two models' answers with a judge: the prompt, what it said, what that amounts to."""
