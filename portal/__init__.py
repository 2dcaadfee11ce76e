"""Model Portal: the front door to one person's machine-learning models."""

import os

# Both are read once, when the library is loaded, so they are set before anything
# imports one. onnxruntime would report every model that it loads to its maker
# (on by default since 1.29), from a thread that no process survives a fork with.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# numpy's threads would compete with the runs of the models, and cost memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
