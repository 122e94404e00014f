# %% [markdown]
# # Convert and verify
# A network for another device, and the proof that it gives the same numbers. Writing a file that ships needs
# `pip install 'edgeface[onnx,tflite]'`; converting a checkpoint `edgeface[convert-onnx]` and the checkpoints.

# %% [markdown]
# ## A file that ships

# %%
# !edgeface export mfn --to tflite --precision int8 --out models

# %%
import edgeface

small = edgeface.load("models/mfn-int8.tflite")
len(small.run(edgeface.DEMO_PHOTO)), small.metadata.precision, small.metadata.licence

# %% [markdown]
# ## A checkpoint
# Every file is reopened by its own runtime and held against PyTorch before it takes its name.

# %%
from edgeface.converters import convert

written = convert("sfn", "models", ["onnx"], ["fp32", "w8"])
[(one.path.name, one.num_bytes, round(one.comparison.values["landmarks %"], 4)) for one in written]

# %% [markdown]
# The file remembers how it compared.

# %%
edgeface.load("models/sfn-w8.onnx").metadata.parity["landmarks mean %"]
