"""Files that ship: network weights, the face model, the demo photo."""
