"""Where the time goes, and how near it is to what the machine can do."""
