# %% [markdown]
# # Photos
# From a photo to boxes, landmarks, head poses and expressions, and to a closer look at each face.
# Needs `pip install 'edgeface[onnx]'`.

# %%
import edgeface
from PIL import Image

model = edgeface.load("mfn")
faces = model.run(edgeface.DEMO_PHOTO)
len(faces)

# %% [markdown]
# Drawn: landmarks in green, the head's own axes in red, green and blue.

# %%
Image.fromarray(faces.draw(edgeface.DEMO_PHOTO)).resize((640, 400))

# %% [markdown]
# Arrays share their first axis, a row a face. Coordinates are pixels of the photo.

# %%
faces.boxes_xyxy.round().astype(int), faces.landmarks_3d.shape, faces.euler_deg.round(1)

# %% [markdown]
# Expressions by ARKit's names.

# %%
sorted(faces[0].blendshapes.items(), key=lambda item: -item[1])[:5]

# %% [markdown]
# The `sfn` looks closer, at a crop of each face, and keeps their order. How far did landmarks move?

# %%
closer = edgeface.load("sfn").refine(edgeface.DEMO_PHOTO, faces)
abs(closer.landmarks_2d - faces.landmarks_2d).mean(axis=(1, 2)).round(1)
