# Writes shd_train.h5 into the directory given, a file of three samples as the Spiking Heidelberg Digits have it: python heidelberg.py fixtures (needs h5py).
import sys

import h5py
import numpy as np

samples = [
    ([0.001, 0.0125, 0.0125, 0.031, 0.5], [0, 699, 350, 7, 8]),
    ([0.25, 0.002], [3, 1]),
    ([], []),
]
with h5py.File(f"{sys.argv[1]}/shd_train.h5", "w") as file:
    for name, column, dtype in [("times", 0, np.float16), ("units", 1, np.uint16)]:
        lists = file.create_dataset(f"spikes/{name}", (3,), dtype=h5py.vlen_dtype(dtype), chunks=(1,), maxshape=(None,))
        for i, sample in enumerate(samples):
            lists[i] = np.array(sample[column], dtype)
    file["labels"] = np.array([19, 0, 4], np.uint16)
    file["extra/keys"] = np.array([f"word {i}".encode() for i in range(20)])
