"""The PyTorch reference: face-model learning, networks, losses, data, training, evaluation."""
