"""Single sign-on by OpenID Connect (authorization code with PKCE), for hospitals that have it.

The provider says who somebody is; which account that is, and what it may do, an organiser has said
before: `radsmith review person NAME --subject ISSUER|SUBJECT`. A person of whom the provider tells
and whom nobody named here does not get in. Extra `sso` (authlib).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from radsmith.errors import Unavailable
from radsmith.server.review.reviews import ReviewsDep
from radsmith.server.review.routes import with_session
from radsmith.server.store.settings import SignOn
from radsmith.server.web.page import address_of
from radsmith.server.web.problem import Problem

router = APIRouter(prefix="/review/sso", include_in_schema=False)
STATE_COOKIE = "radsmith_sso"
STATE_S = 600
ALGORITHMS = ["RS256", "PS256", "ES256"]
_TIMEOUT_S = 10
_LATE_S = 60
"""How far the provider's clock may be from ours."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What the provider's own description says (OpenID Connect Discovery 1.0, section 4)."""

    issuer: str
    authorize: str
    token: str
    keys: str


def discover(issuer: str) -> Provider:
    """Read the provider's description. Raises Unavailable."""
    told = _fetched(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if told.get("issuer", "").rstrip("/") != issuer.rstrip("/"):
        raise Unavailable(f"the provider at {issuer} calls itself {told.get('issuer')!r}")
    return Provider(
        issuer=told["issuer"],
        authorize=told["authorization_endpoint"],
        token=told["token_endpoint"],
        keys=told["jwks_uri"],
    )


def _fetched(url: str) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"the sign-on provider does not answer at {url}: {error}") from error
    return found


def _client(sign_on: SignOn, back: str) -> Any:
    try:
        from authlib.integrations.httpx_client import OAuth2Client
    except ImportError as error:
        raise Unavailable(
            "sign-on elsewhere needs authlib: install it with `pip install radsmith[sso]`"
        ) from error
    return OAuth2Client(
        sign_on.client,
        sign_on.secret,
        scope="openid",
        redirect_uri=back,
        code_challenge_method="S256",
        timeout=_TIMEOUT_S,
    )


@router.get("/offered")
def offered(reviews: ReviewsDep) -> bool:
    """Whether people may sign on elsewhere."""
    return reviews.services.settings.sign_on is not None


@router.get("")
async def begin(
    request: Request, reviews: ReviewsDep, to: Literal["review", "teach"] = "review"
) -> Response:
    """Send the browser to the provider. to: the page that it comes back to."""
    from secrets import token_urlsafe

    sign_on = _sign_on(reviews)
    reviews.logins_of_address.take(address_of(request))
    provider = await run_in_threadpool(discover, sign_on.issuer)
    nonce, verifier = token_urlsafe(24), token_urlsafe(48)
    client = _client(sign_on, _back(request, reviews))
    try:
        url, state = client.create_authorization_url(
            provider.authorize, code_verifier=verifier, nonce=nonce
        )
    finally:
        client.close()
    kept = ".".join((state, nonce, verifier, str(int(time.time()) + STATE_S), to))
    signature = reviews.services.signer.sign("sso", kept)
    response = RedirectResponse(url, status_code=303)
    secure = reviews.services.settings.public_url.startswith("https://")
    response.set_cookie(  # lax: the browser comes back from another site
        STATE_COOKIE,
        f"{kept}.{signature}",
        max_age=STATE_S,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/review/sso",
    )
    return response


@router.get("/back")
async def back(request: Request, reviews: ReviewsDep) -> Response:
    """The browser comes back: who is it, and is there an account of that subject?"""
    sign_on = _sign_on(reviews)
    reviews.logins_of_address.take(address_of(request))
    state, nonce, verifier, to = _kept(request, reviews)
    if request.query_params.get("state") != state:
        raise Problem(403, "this sign-on was not begun in this browser", code="bad_state")
    subject = await run_in_threadpool(
        _subject, sign_on, str(request.url), _back(request, reviews), nonce, verifier
    )
    token = await run_in_threadpool(reviews.people.login_by, subject)
    note = reviews.services.audit.note
    address = address_of(request)
    if token is None:
        await run_in_threadpool(note, "nobody", address, "review sign-on refused", subject)
        raise Problem(403, f"no account is of {subject}: ask your organiser", code="no_account")
    await run_in_threadpool(note, subject, address, "review sign-on", "")
    # a page of our own goes on: a strict cookie is not sent on a way from another site
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url=/{to}"><title>…</title>'
    response = with_session(reviews, token, HTMLResponse(page))
    response.delete_cookie(STATE_COOKIE, path="/review/sso")
    return response


def _sign_on(reviews: ReviewsDep) -> SignOn:
    sign_on = reviews.services.settings.sign_on
    if sign_on is None:
        raise Problem(404, "nobody signs on elsewhere for this server", code="no_sign_on")
    return sign_on


def _back(request: Request, reviews: ReviewsDep) -> str:
    base = reviews.services.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    return f"{base}/review/sso/back"


def _kept(request: Request, reviews: ReviewsDep) -> tuple[str, str, str, str]:
    """State, nonce, verifier and page to go to of a sign-on begun in this browser not long ago."""
    kept, _, signature = request.cookies.get(STATE_COOKIE, "").rpartition(".")
    parts = kept.split(".")
    if len(parts) != 5 or not reviews.services.signer.holds(signature, "sso", kept):
        raise Problem(403, "this sign-on was not begun in this browser", code="bad_state")
    if int(parts[3]) < time.time():
        raise Problem(403, "this sign-on took too long: begin again", code="expired")
    return parts[0], parts[1], parts[2], parts[4]


def _subject(sign_on: SignOn, url: str, back_to: str, nonce: str, verifier: str) -> str:
    """Exchange the code for an ID token; ISSUER|SUBJECT."""
    import httpx
    from authlib.integrations.base_client import OAuthError

    provider = discover(sign_on.issuer)
    client = _client(sign_on, back_to)
    try:
        told = client.fetch_token(
            provider.token, authorization_response=url, code_verifier=verifier
        )
    except OAuthError as error:
        raise Problem(403, f"the sign-on is not valid: {error}", code="bad_code") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"the sign-on provider did not answer: {error}") from error
    finally:
        client.close()
    keys = _fetched(provider.keys)
    return subject_of(str(told.get("id_token")), keys, provider.issuer, sign_on, nonce)


def subject_of(
    id_token: str, keys: dict[str, Any], issuer: str, sign_on: SignOn, nonce: str
) -> str:
    """ISSUER|SUBJECT of an ID token whose signature, issuer, audience, times and nonce hold.

    keys: the provider's, as JWK Set.  Raises Problem.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        known = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        token = jwt.decode(id_token, known, algorithms=ALGORITHMS)
        jwt.JWTClaimsRegistry(
            leeway=_LATE_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": sign_on.client},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
        ).validate(token.claims)
    except (JoseError, KeyError, ValueError) as error:
        said = f"the provider's answer is not valid: {error}"
        raise Problem(403, said, code="bad_token") from error
    return f"{issuer}|{token.claims['sub']}"
