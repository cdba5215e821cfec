"""Run a user's program in a process of its own and observe it; the user's torch is never loaded into ours."""
