"""What the command line and the screens change: launch, stop, retry, delete, export, import."""
