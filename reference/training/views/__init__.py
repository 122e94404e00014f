"""What the networks see in training."""
