# %% [markdown]
# # Train and evaluate
# A toy network on drawn faces, in a minute. From a checkout, with `pip install -e '.[onnx,train]'`.

# %%
# !python ../toy_data.py toy

# %%
import io
import zipfile

from PIL import Image

with zipfile.ZipFile("toy/faces68-300w.zip") as pack:
    pictures = [Image.open(io.BytesIO(pack.read(f"images/{i:03d}.jpg"))) for i in range(4)]
sheet = Image.new("RGB", (4 * 128, 128))
for i, picture in enumerate(pictures):
    sheet.paste(picture.resize((128, 128)), (128 * i, 0))
sheet

# %% [markdown]
# A recipe says how to train. This one is far too short to be good.

# %%
from pathlib import Path

Path("toy.toml").write_text(
    'network = "sfn"\nepochs = 1\nbatch_size = 16\nlearning_rate = 1e-3\nlicence = "drawings: any use"\n'
)
# !edgeface-train train toy.toml --data toy --out runs/toy 2>&1 | tail -n 1

# %% [markdown]
# Landmarks of a toy, against the drawings' own.

# %%
import numpy as np
import torch

from edgeface.reference.networks.checkpoint import load_network

trained = load_network("runs/toy/last.ckpt")
crop = torch.from_numpy(np.asarray(pictures[0].resize((128, 128)))[None].copy())
with torch.inference_mode():
    outputs = trained.network(crop)
[tuple(output.shape) for output in outputs], trained.licence
