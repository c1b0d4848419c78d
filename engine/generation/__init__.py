"""The providers that answer questions: a local model, an endpoint, a file of answers."""
