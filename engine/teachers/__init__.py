"""Who answers questions: a local model, an endpoint, a file."""
