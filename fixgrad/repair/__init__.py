"""Plans what makes a gradient arrive: the grant and all that the repaired program needs to run."""
