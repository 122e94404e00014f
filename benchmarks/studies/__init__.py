"""What choices cost and give, for the tables of the docs."""
