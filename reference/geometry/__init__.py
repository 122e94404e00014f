"""Faces as mathematics: the face model in torch, fitting, alignment, harmonics."""
