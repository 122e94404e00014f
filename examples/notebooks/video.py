# %% [markdown]
# # Video
# Following faces, smoothing them, and keeping a performance. Needs `pip install 'edgeface[onnx,video]'`.

# %%
import edgeface
import numpy as np

photo = edgeface.read_image(edgeface.DEMO_PHOTO)
frames = [(np.roll(photo, 3 * number, axis=1), number / 30) for number in range(12)]

# %% [markdown]
# A tracker takes frames and their times. Faces keep a number, and velocities are in pixels a second: here the
# picture moves to the right by 3 pixels a frame, 90 a second.

# %%
tracker = edgeface.Tracker(edgeface.load("mfn"), crop_model=edgeface.load("sfn"))
for image, time_s in frames:
    faces = tracker.update(image, time_s)
faces.track_ids, faces.velocities.round()

# %% [markdown]
# On the command line, the same with files: a recording, and a page that plays it.

# %%
# !edgeface track demo --record take.jsonl && edgeface track take.jsonl --record take.html

# %%
from edgeface.recording import read_recording

recording = read_recording("take.jsonl")
recording.num_frames
