"""One key and one source for the whole folder: both are only read."""

import pytest

from tests.release.making import key_in, source


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    return key_in(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    return source(tmp_path_factory.mktemp("source"))
