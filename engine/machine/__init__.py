"""This machine: its cores, memory and GPUs, which processes are alive, and how others died."""
