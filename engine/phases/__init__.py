"""The recipes, one for each kind of phase, and the functions that they share."""
