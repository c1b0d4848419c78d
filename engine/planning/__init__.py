"""An experiment becomes runs, runs become phases: what is shared, what it takes."""
