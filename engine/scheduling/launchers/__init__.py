"""How phase processes are started so that they outlive whoever started them."""
