"""What running a program shows: verdicts on repairs, evidence for findings; the pipeline plans, the runtime runs."""
