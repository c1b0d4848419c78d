"""Read-only questions about runs, as the screens and the command line ask them."""
