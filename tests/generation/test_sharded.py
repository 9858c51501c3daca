"""Very many images: the same files whoever makes them, and whoever is killed meanwhile."""

import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.common import run_command
from tests.compute.objects import bucket_of, google_bucket_of

pytestmark = pytest.mark.slow


START = "import sys; from radsmith.cli import main; sys.argv[0] = 'radsmith'; main()"
LIST = 'prompt,n,seed\n"chest x-ray, PA view, adult",3,0\n"knee x-ray, child",2,5\n'
FIXED = {"SOURCE_DATE_EPOCH": "1700000000", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run(monkeypatch, capsys):
    return lambda *arguments: run_command(monkeypatch, capsys, *arguments)


@pytest.fixture
def listed(tmp_path, monkeypatch):
    for name, value in FIXED.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    return path


def files_of(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def asked(listed, folder, *options):
    return ["generate", "--from", listed, "-o", folder, "--shards", 3, "--steps", 1, *options]


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_list_becomes_shards_with_a_manifest(run, listed, tmp_path):
    code, said, _ = run(*asked(listed, tmp_path / "a"))
    assert code == 0 and said.strip().endswith("manifest.csv")
    rows = rows_of(tmp_path / "a")
    assert [row["key"] for row in rows] == [f"{n:09d}" for n in range(5)]
    assert [row["seed"] for row in rows] == ["0", "1", "2", "5", "6"]
    with (tmp_path / "a" / "shards.csv").open(newline="") as file:
        shards = list(csv.DictReader(file))
    assert sum(int(shard["images"]) for shard in shards) == 5
    for shard in shards:
        data = (tmp_path / "a" / shard["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == shard["sha256"]
    with tarfile.open(tmp_path / "a" / "shard-00002.tar") as tar:
        facts = json.loads(tar.extractfile("000000004.json").read())
    assert facts["prompt"] == "knee x-ray, child" and facts["seed"] == 6
    assert facts["created"] == "2023-11-14T22:13:20+00:00"


def test_images_are_those_of_plain_files(run, listed, tmp_path):
    run(*asked(listed, tmp_path / "a"))
    run("generate", "--from", listed, "-o", tmp_path / "b", "--steps", 1, "--no-sheet")
    for row in rows_of(tmp_path / "a"):
        plain = tmp_path / "b" / f"{row['name']}.png"
        code, said, _ = run("inspect", plain)
        assert code == 0 and row["pixels_sha256"] in said


@pytest.mark.parametrize("form", ["dicom", "npy", "png16"])
def test_every_form_is_the_same_file_each_time(run, listed, tmp_path, form):
    for folder in ("a", "b"):
        assert run(*asked(listed, tmp_path / folder, "--format", form))[0] == 0
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_hugging_faces_datasets_reads_the_shards(run, listed, tmp_path, kind, monkeypatch):
    datasets = pytest.importorskip("datasets")
    run(*asked(listed, tmp_path / "a", "--as", kind))
    files = sorted(map(str, (tmp_path / "a").glob("shard-*")))
    found = datasets.load_dataset(kind, data_files=files, split="train", cache_dir=tmp_path / "c")
    first = found[0]
    picture, seed = first.get("image", first.get("png")), first.get("json", first)["seed"]
    assert len(found) == 5 and picture.size == (256, 256) and seed == 0


def test_one_shard_a_call_and_slurm_tasks_give_the_same(run, listed, tmp_path, monkeypatch):
    run(*asked(listed, tmp_path / "a"))
    for number in (2, 0, 1):
        assert run(*asked(listed, tmp_path / "b", "--shard", number))[0] == 0
    monkeypatch.setenv("SLURM_ARRAY_TASK_MIN", "10")
    monkeypatch.setenv("SLURM_ARRAY_TASK_STEP", "5")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    for task, there in ((15, 1), (10, 3)):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
        assert run(*asked(listed, tmp_path / "c"))[0] == 0
        assert len(list((tmp_path / "c").glob("*.tar"))) == there
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b") == files_of(tmp_path / "c")


def test_another_request_does_not_join(run, listed, tmp_path):
    run(*asked(listed, tmp_path / "a", "--shard", 0))
    before = files_of(tmp_path / "a")
    for options, words in ((("--watermark",), "watermark"), (("--as", "parquet"), "kind")):
        code, _, said = run(*asked(listed, tmp_path / "a", *options))
        assert code == 2 and f"differs in {words}" in said
    listed.write_text(LIST.replace("child", "adult"))
    code, _, said = run(*asked(listed, tmp_path / "a"))
    assert code == 2 and "differs in prompts" in said
    assert files_of(tmp_path / "a") == before


@pytest.mark.parametrize(
    "options, words",
    [
        (("--shards", 6), "6 shards of 5 images"),
        (("--shard", 3), "--shard must be 0-2"),
        (("--sign", "key"), "cannot be given together"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(run, listed, tmp_path, options, words):
    code, _, said = run(*asked(listed, tmp_path / "a", *options))
    assert code == 2 and words in said


def test_lines_are_checked_before_anything_is_made(run, listed, tmp_path):
    listed.write_text(LIST + '"knee x-ray, child",2,6\n')
    code, _, said = run(*asked(listed, tmp_path / "a"))
    assert code == 2 and "lines 3 and 4 ask for the same images, from seed 6" in said
    listed.write_text(LIST + '"?",2,6\n')
    code, _, said = run(*asked(listed, tmp_path / "a"))
    assert code == 2 and "nothing was made; line 4" in said
    assert not (tmp_path / "a").exists()


def test_an_object_store_needs_shards(run):
    code, _, said = run("generate", "knee x-ray", "-o", "s3://bucket/a")
    assert code == 2 and "needs --shards" in said


@pytest.mark.parametrize("bucket", [bucket_of, google_bucket_of])
def test_an_object_store_holds_the_same_objects(run, listed, tmp_path, monkeypatch, bucket):
    run(*asked(listed, tmp_path / "a"))
    with bucket(monkeypatch) as where:
        import fsspec

        for number in (1, 0, 2, 1):
            assert run(*asked(listed, where, "--shard", number))[0] == 0
        kind, _, root = where.partition("://")
        files = fsspec.filesystem(kind, use_listings_cache=False)
        found = {
            path.removeprefix(f"{root}/"): hashlib.sha256(files.cat_file(path)).hexdigest()
            for path in files.find(root)
        }
    assert found == files_of(tmp_path / "a")


def test_killed_processes_lose_and_double_nothing(listed, tmp_path):
    """Two commands on one folder, either killed at random moments, then started again."""
    listed.write_text(LIST.replace(",3,", ",14,").replace(",2,", ",10,"))

    def start(folder, *options):
        arguments = asked(listed, folder, "--shards", 12, *options)
        command = [sys.executable, "-c", START, *map(str, arguments)]
        with (tmp_path / "log").open("ab") as log:
            return subprocess.Popen(command, env=os.environ | FIXED, stderr=log, stdout=log)

    one = start(tmp_path / "one")
    assert one.wait() == 0, (tmp_path / "log").read_text()
    rng = random.Random(3)
    running = [start(tmp_path / "two") for _ in range(2)]
    kills = 0
    while not (tmp_path / "two" / "manifest.csv").exists() or any(
        p.poll() is None for p in running
    ):
        time.sleep(rng.uniform(0.1, 1.2))
        for place, process in enumerate(running):
            if process.poll() is None and kills < 8 and rng.random() < 0.5:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
            if process.poll() not in (None, 0):
                assert process.returncode == -signal.SIGKILL, (tmp_path / "log").read_text()
                running[place] = start(tmp_path / "two")
    assert kills and files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_machine_that_does_not_see_the_folder_says_so(listed, tmp_path):
    from radsmith.engines.choice import load_facts
    from radsmith.errors import NotFound
    from radsmith.generation import sharded
    from radsmith.generation.plan import plan
    from radsmith.generation.prompt_list import Row

    request = sharded.ShardedRequest(
        out=str(tmp_path / "a"),
        rows=(Row(line=0, prompt="knee x-ray", count=2),),
        plans=(plan("knee x-ray", load_facts()),),
        shards=2,
        kind="webdataset",
        format="png",
        choice=None,
    )
    _, said = sharded.begin(request)
    (task,) = sharded.shard_tasks(request, said, [0], claim=True)
    Path(tmp_path / "a" / sharded.RUN).unlink()
    with pytest.raises(NotFound, match="all machines share"):
        sharded.make_shard(task)
