"""This machine: its cores, memory and graphics cards, and which processes live or how they died."""
