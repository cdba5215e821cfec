"""What former runs have worked out, kept in the user's cache folder; losing it costs time and nothing else."""
