"""Training of the student: trainers, adapters, checkpoints, and checks that it learned."""
