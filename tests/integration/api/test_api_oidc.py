"""Tokens of an OpenID Connect issuer in place of keys, against a small issuer on this machine."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.access import oidc
from api.access.oidc import PAUSE_SECONDS, STALE_SECONDS, KeySet
from rag.errors import Unauthenticated, Unavailable
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.oidcissuer import AUDIENCE, EC, RSA, SMALL_RSA, Issuer, issuing, public

KEY = "root-of-all-the-keys"
KEYS = {KEY: {"name": "root", "role": "admin", "collections": ["*"]}}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def api(valkey, tmp_path, issuer) -> Iterator[Service]:
    fields = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "api_keys": KEYS}
    with serving(settings_of(valkey, tmp_path, **fields)) as service:
        yield service


def status(api: Service, token: str, path: str = "/v1/jobs") -> int:
    return api.http.get(path, headers=bearer(token)).status_code


def test_a_token_lets_in_as_far_as_its_claims_say(api, issuer):
    token = issuer.token()

    assert api.http.put("/v1/collections/mine", headers=bearer(token)).status_code == 201
    assert api.http.put("/v1/collections/theirs", headers=bearer(token)).status_code == 403
    assert status(api, token, "/v1/keys") == 403
    assert status(api, issuer.token(aegis_role="admin", aegis_collections="*"), "/v1/keys") == 200
    assert status(api, issuer.token(aegis_collections="mine other"), "/v1/jobs?collection=other") == 200
    assert status(api, KEY, "/v1/keys") == 200
    assert api.http.get("/v1/jobs").status_code == 401
    assert issuer.fetched == 1


def test_jobs_are_their_subjects(api, issuer):
    ann, bob = (issuer.token(sub=name, aegis_role="read") for name in ("ann", "bob"))
    api.http.put("/v1/collections/mine", headers=bearer(KEY))
    body = {"question": "x", "collection": "mine"}
    job_id = api.http.post("/v1/queries", json=body, headers=bearer(ann)).json()["job_id"]

    assert api.parts.jobs.get(job_id).owner == "oidc:ann"
    assert status(api, ann, f"/v1/jobs/{job_id}") == 200
    assert status(api, bob, f"/v1/jobs/{job_id}") == 404


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": ["others", "still others"]},
        {"iss": "https://evil.example"},
        {"exp": time.time() - 60},
        {"nbf": time.time() + 3600},
        {"iat": time.time() + 3600},
        {"exp": "never"},
        {"without": "exp"},
        {"without": "aud"},
        {"without": "iss"},
        {"without": "sub"},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 256},
        {"without": "aegis_role"},
        {"aegis_role": "root"},
        {"aegis_role": {"admin": True}},
        {"aegis_role": [["admin"]]},
        {"without": "aegis_collections"},
        {"aegis_collections": []},
        {"aegis_collections": ["*", "mine"]},
        {"aegis_collections": [1]},
        {"aegis_collections": "no/good"},
        {"kid": "unknown"},
        {"kid": "rsa", "key": EC, "algorithm": "ES256"},
        {"algorithm": "PS256"},
        {"padding": "x" * 10_000},
    ],
)
def test_a_token_that_is_not_wholly_good_is_refused(api, issuer, claims):
    assert status(api, issuer.token(**claims)) == 401


def test_a_token_a_little_late_is_good_within_the_leeway(api, issuer):
    assert status(api, issuer.token(exp=time.time() - 5)) == 200


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", ["RS256"], None, "NONE"])
def test_what_anybody_could_sign_is_refused(api, issuer, algorithm):
    """No signature, or one with the public key as the secret of an HMAC."""
    claims = issuer.token().split(".")[1]
    signed = f"{part({'alg': algorithm, 'kid': 'rsa'})}.{claims}"
    secret = json.dumps(public("rsa", RSA)).encode()
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256))

    assert status(api, f"{signed}.") == 401
    assert status(api, f"{signed}.{signature.rstrip(b'=').decode()}") == 401


def test_a_token_cannot_bring_its_own_key(api, issuer):
    for head in ({"jwk": public("evil", EC)}, {"jku": "http://127.0.0.1:1/evil"}):
        assert status(api, issuer.token(EC, kid="evil", algorithm="ES256", head=head)) == 401


@pytest.mark.parametrize(
    "text", ["eyJ..", "eyJhbGciOiJSUzI1NiJ9.e30.", "eyJ." + "." * 1, "eyJ" + "9" * 5000 + ".a.b"]
)
def test_what_only_looks_like_a_token_is_refused(api, text):
    assert status(api, text) == 401


def test_a_key_that_is_too_small_or_meant_for_something_else_signs_nothing(api, issuer):
    issuer.keys = [
        public("small", SMALL_RSA),
        public("rsa", RSA, use="enc"),
        public("other", RSA, alg="RS512"),
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {"kty": "RSA", "kid": "broken", "n": "AQAB", "e": 5},
    ]

    assert status(api, issuer.token(SMALL_RSA, kid="small")) == 401
    for kid in ("rsa", "other", "broken"):
        assert status(api, issuer.token(kid=kid)) == 401
    assert status(api, issuer.token("secret" * 10, kid="shared", algorithm="HS256")) == 401


def test_nested_claims_and_names_of_ones_own(valkey, tmp_path, issuer):
    fields = {
        "oidc_issuer": issuer.url,
        "oidc_audience": AUDIENCE,
        "oidc_role_claim": "realm_access.roles",
        "oidc_roles": {"staff": "read", "librarians": "write"},
        "oidc_collections_claim": "https://aegis.example/collections",
    }
    with serving(settings_of(valkey, tmp_path, **fields)) as api:
        claims = {"https://aegis.example/collections": ["mine"]}
        roles = {"realm_access": {"roles": ["other", "staff", "librarians"]}}

        assert api.http.get("/v1/jobs").status_code == 401
        assert status(api, issuer.token(**claims, aegis_role="admin")) == 401
        token = issuer.token(**claims, **roles)
        assert api.http.put("/v1/collections/mine", headers=bearer(token)).status_code == 201


def test_unknown_keys_do_not_hammer_the_issuer(api, issuer):
    assert status(api, issuer.token()) == 200

    for number in range(40):
        assert status(api, issuer.token(kid=f"unknown-{number}")) == 401

    assert issuer.fetched == 1


def test_an_issuer_that_is_away_is_said_and_left_alone(valkey, tmp_path, issuer):
    issuer.status = 500
    fields = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "api_keys": KEYS}
    with serving(settings_of(valkey, tmp_path, **fields)) as api:
        answers = [api.http.get("/v1/jobs", headers=bearer(issuer.token())) for _ in range(5)]

        assert {answer.status_code for answer in answers} == {503}
        assert int(answers[0].headers["retry-after"]) >= 1
        assert sum(issuer.asked.values()) == 1
        assert status(api, KEY) == 200


# --- the key set by itself, with a clock of the test's


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def key_of(keys: KeySet, kid: str | None = "rsa") -> Any:
    return asyncio.run(keys.key(kid, "RS256"))


def test_a_new_key_of_the_issuer_is_found_within_the_pause(issuer):
    clock = Clock()
    keys = KeySet(issuer.url, None, clock)
    key_of(keys)
    issuer.keys.append(public("next", RSA))

    with pytest.raises(Unauthenticated):
        key_of(keys, "next")
    clock.now = PAUSE_SECONDS + 1

    assert key_of(keys, "next")
    assert issuer.fetched == 2


def test_keys_outlive_an_issuer_that_is_away_for_a_while(issuer):
    clock = Clock()
    keys = KeySet(issuer.url, None, clock)
    key_of(keys)
    issuer.status = 503

    clock.now = STALE_SECONDS - 1
    assert key_of(keys)
    clock.now = STALE_SECONDS + 1
    with pytest.raises(Unavailable):
        key_of(keys)


def test_a_key_that_the_issuer_withdrew_is_gone_when_it_is_asked_again(issuer):
    clock = Clock()
    keys = KeySet(issuer.url, None, clock)
    key_of(keys)
    issuer.keys = [public("next", RSA)]

    clock.now = oidc.FRESH_SECONDS + 1

    with pytest.raises(Unauthenticated):
        key_of(keys)


def test_the_only_key_needs_no_id(issuer):
    assert key_of(KeySet(issuer.url, f"{issuer.url}/jwks"), None)
    issuer.keys.append(public("next", RSA))
    with pytest.raises(Unauthenticated):
        key_of(KeySet(issuer.url, f"{issuer.url}/jwks"), None)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jwks", b"x" * (oidc.MOST_BYTES + 1)),
        ("/jwks", b"[" * 100_000),
        ("/jwks", b"[]"),
        ("/jwks", b"\xff"),
        (
            "/.well-known/openid-configuration",
            b'{"issuer": "https://other", "jwks_uri": "https://other/jwks"}',
        ),
        ("/.well-known/openid-configuration", b"{}"),
    ],
)
def test_what_an_issuer_should_not_answer_is_not_taken(issuer, path, body):
    issuer.documents[path] = body

    with pytest.raises(Unavailable):
        key_of(KeySet(issuer.url, None))


def test_a_discovery_document_leads_to_safe_addresses_alone(issuer):
    told = {"issuer": issuer.url, "jwks_uri": "http://keys.example/jwks"}
    issuer.documents["/.well-known/openid-configuration"] = json.dumps(told).encode()

    with pytest.raises(Unavailable):
        key_of(KeySet(issuer.url, None))


def test_a_slow_issuer_holds_nobody_for_long(issuer, monkeypatch):
    monkeypatch.setattr(oidc, "FETCH_SECONDS", 0.5)
    issuer.documents["/jwks"] = b" " * (oidc.MOST_BYTES - 1)
    issuer.slowly = 0.3
    began = time.monotonic()

    with pytest.raises(Unavailable):
        key_of(KeySet(issuer.url, None))

    assert time.monotonic() - began < 5
