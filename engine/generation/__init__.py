"""Who answers: a local model, an endpoint, a file of answers."""
