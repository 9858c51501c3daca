"""Signing on at a real OpenID Connect provider that runs beside the test."""

import base64
import json
import os
import warnings
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.server.conftest import Running
from tests.server.review.conftest import account, new_study

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the provider imports what its own library calls deprecated
    provider_of = pytest.importorskip("oidc_provider_mock")

# the provider's thread lives in this process, and its library warns of itself
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    base = tmp_path_factory.mktemp("sso")
    users = [provider_of.User(sub="ann@clinic"), provider_of.User(sub="eve@clinic")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with provider_of.run_server_in_thread(user_claims=users) as provider:
            issuer = f"http://localhost:{provider.server_port}"
            account(base / "data", "ann", "reader", subject=f"{issuer}|ann@clinic")
            study = new_study(base / "trial", images=2, readers=("ann",), reads=1)
            os.environ["RADSMITH_SSO_SECRET"] = "a secret of the client"
            options = ("--study", study.folder, "--sso", issuer, "radsmith")
            running = Running(base / "data", *options)
            yield running, issuer
            del os.environ["RADSMITH_SSO_SECRET"]
            assert running.stop() == 0
            assert "Traceback" not in running.log.read_text()


def sign_on(http, running, who, forge=lambda address: address, to=""):
    """Go to the provider, say who one is there, and come back."""
    away = http.get(f"{running.url}/review/sso{to}")
    assert away.status_code == 303
    agreed = http.post(away.headers["location"], data={"sub": who})
    assert agreed.status_code in (302, 303), agreed.text
    return away, http.get(forge(agreed.headers["location"]))


@pytest.fixture
def http():
    with httpx.Client(timeout=30) as client:
        yield client


def test_who_has_an_account_gets_in(clinic, http):
    running, _ = clinic
    assert http.get(f"{running.url}/review/sso/offered").json() is True
    away, came = sign_on(http, running, "ann@clinic")
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["nonce"]
    assert came.status_code == 200
    me = http.get(f"{running.url}/review/api/me").json()
    assert (me["name"], me["role"]) == ("ann", "reader")


def test_one_comes_back_to_where_one_was(clinic, http):
    running, _ = clinic
    for to, page in (("", "/review"), ("?to=review", "/review"), ("?to=teach", "/teach")):
        assert f'url={page}"' in sign_on(http, running, "ann@clinic", to=to)[1].text
    assert http.get(f"{running.url}/review/sso?to=//elsewhere.example").status_code == 400


def test_nobody_else_does(clinic, http):
    running, _ = clinic
    _, came = sign_on(http, running, "eve@clinic")
    assert came.status_code == 403
    assert "no account is of" in came.json()["error"]["message"]
    assert http.get(f"{running.url}/review/api/me").status_code == 401


def test_an_answer_that_was_not_asked_for_here_is_refused(clinic, http):
    running, _ = clinic
    _, came = sign_on(http, running, "ann@clinic", lambda url: url.replace("state=", "state=x"))
    assert came.status_code == 403
    with httpx.Client(timeout=30) as other:
        away, _ = sign_on(http, running, "ann@clinic")
        agreed = http.post(away.headers["location"], data={"sub": "ann@clinic"})
        stolen = other.get(agreed.headers["location"])
        assert stolen.status_code == 403
        assert "not begun in this browser" in stolen.json()["error"]["message"]


def test_a_code_is_good_once(clinic, http):
    running, _ = clinic
    kept = []
    _, came = sign_on(http, running, "ann@clinic", lambda url: kept.append(url) or url)
    assert came.status_code == 200
    assert http.get(kept[0]).status_code == 403


def test_a_token_for_somebody_else_is_refused(clinic):
    """The ID token's signature, audience and nonce are looked at: each changed, each refused."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    from radsmith.server.review import sso
    from radsmith.server.store.settings import SignOn
    from radsmith.server.web.problem import Problem

    _, issuer = clinic
    own = RSAKey.generate_key(2048, parameters={"kid": "own"})
    claims = {"iss": issuer, "aud": "radsmith", "sub": "ann@clinic", "nonce": "n", "exp": 2**33}
    token = jwt.encode({"alg": "RS256", "kid": "own"}, claims, own)
    head, body, mark = token.split(".")
    other = json.dumps(claims | {"sub": "olga"}).encode()
    forged = ".".join((head, base64.urlsafe_b64encode(other).rstrip(b"=").decode(), mark))
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    keys = {"keys": [own.as_dict(private=False)]}
    sign_on_ = SignOn(issuer=issuer, client="radsmith", secret="x")
    assert sso.subject_of(token, keys, issuer, sign_on_, "n") == f"{issuer}|ann@clinic"
    for bad, nonce, client in (
        (forged, "n", "radsmith"),
        (f"{unsigned}.{body}.", "n", "radsmith"),
        (token, "another", "radsmith"),
        (token, "n", "another client"),
        (jwt.encode({"alg": "RS256"}, claims | {"exp": 1}, own), "n", "radsmith"),
        (jwt.encode({"alg": "RS256"}, claims | {"iss": "https://evil"}, own), "n", "radsmith"),
    ):
        told = SignOn(issuer=issuer, client=client, secret="x")
        with pytest.raises(Problem, match="not valid"):
            sso.subject_of(bad, keys, issuer, told, nonce)
