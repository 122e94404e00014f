"""Learning the default face model from labelled meshes."""
