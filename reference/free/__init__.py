"""Making, from sources that anyone may use, all that free weights are learned from."""
