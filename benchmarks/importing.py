"""Importing many DICOM images: images a second and peak memory. Run by hand.

python benchmarks/importing.py [COUNT] [WORKERS]

Makes COUNT CT slices (512x512, 16 bit, 20 to a series) in a temporary folder, imports all of them
and prints the rate, the peak memory of the main process and of the largest worker, and the same
for a tenth of them: flat memory means that both are alike.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

IMPORT = """
import resource, sys
from pathlib import Path
from radsmith.deidentification.attributes import Policy
from radsmith.datasets.units import Options
from radsmith.datasets.run import ImportRequest, run_import
if __name__ == "__main__":
    options = Options(policy=Policy(secret=b"0" * 16), source="bench", slices=0, text="keep")
    request = ImportRequest(sources=(Path(sys.argv[1]),), out=Path(sys.argv[2]), options=options,
                      workers=int(sys.argv[3]))
    images = run_import(request, lambda *_: None).images
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print(images, *(resource.getrusage(w).ru_maxrss for w in whose))
"""


def make(folder: Path, count: int) -> None:
    """Slices with their own pixels."""
    rng = np.random.default_rng(0)
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    base = np.kron(dataset.pixel_array, np.ones((4, 4), np.int16))
    dataset.Rows = dataset.Columns = 512
    dataset.BodyPartExamined = "ABDOMEN"
    for n in range(count):
        patient, z = divmod(n, 20)
        if z == 0:
            dataset.PatientID = f"P{patient}"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
            (folder / f"{patient:05d}").mkdir(parents=True)
        dataset.SOPInstanceUID = generate_uid()
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.ImagePositionPatient = [0, 0, 5.0 * z]
        noise = np.kron(rng.integers(-120, 120, (16, 16)), np.ones((32, 32), int))
        dataset.PixelData = (base + noise).astype(np.int16).tobytes()
        dataset.save_as(folder / f"{patient:05d}" / f"{z:02d}.dcm")


def measure(count: int, workers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "source")
        make(source, count)
        began = time.monotonic()
        script = Path(name, "run.py")
        script.write_text(IMPORT)
        command = [sys.executable, str(script), str(source), str(Path(name, "out")), str(workers)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.monotonic() - began
        images, main, worker = (int(v) for v in done.stdout.split())
        print(
            f"{count} files, {images} images, {workers} worker(s): {seconds:.0f} s,"
            f" {count / seconds:.1f} files/s; peak {main / 1024:.0f} MiB main,"
            f" {worker / 1024:.0f} MiB worker"
        )


if __name__ == "__main__":
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    for amount in (max(20, total // 10), total):
        measure(amount, processes)
