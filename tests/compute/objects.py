"""An object store of our own: moto's server, which speaks S3 over HTTP."""

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
