"""Forged and foreign tokens, made with an independent library; all refused, and none of them tells why too well."""

import base64
import hashlib
import hmac
import json
import time

import httpx
import issuers
import pytest
from agent import Caller, claims, noop, refused, someone
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey


def part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_hand(secret: str, header: dict, body) -> str:
    """A token that no library would make, with a good signature (HS256)."""
    content = f"{part(header)}.{part(body)}"
    digest = hmac.new(secret.encode(), content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def swapped(stack, who: str) -> str:
    """Somebody's claims under the signature of somebody else's token."""
    head, _, signature = stack.token(someone()).split(".")
    return f"{head}.{part(claims(stack.issuer, who))}.{signature}"


def own(stack, who: str, **header) -> str:
    """A good token of the project with another header."""
    return by_hand(stack.ready["jwt_secret"], {"alg": "HS256", "typ": "JWT"} | header, claims(stack.issuer, who))


def made(stack, who: str, key, algorithm: str, **header) -> str:
    """A token of the project's name, signed with a key of the attacker's."""
    return jwt.encode({"alg": algorithm, **header}, claims(stack.issuer, who), key)


def brings_its_key(stack, who: str) -> str:
    key = ECKey.generate_key("P-256")
    return by_hand_asymmetric({"alg": "ES256", "jwk": key.as_dict(private=False)}, claims(stack.issuer, who), key)


def by_hand_asymmetric(header: dict, body: dict, key) -> str:
    good = jwt.encode({"alg": "ES256"}, body, key).split(".")
    return f"{part(header)}.{good[1]}.{good[2]}"


NOW = int(time.time())
ATTACKS = {
    "no algorithm": lambda stack, who: f"{part({'alg': 'none'})}.{part(claims(stack.issuer, who))}.",
    "no algorithm, in capitals": lambda stack, who: f"{part({'alg': 'NONE'})}.{part(claims(stack.issuer, who))}.",
    "no algorithm, with a signature": lambda stack, who: own(stack, who, alg="none"),
    "no signature": lambda stack, who: stack.token(who).rpartition(".")[0] + ".",
    "no header": lambda stack, who: "." + stack.token(who).partition(".")[2],
    "another secret": lambda stack, who: made(stack, who, OctKey.import_key("x" * 40), "HS256"),
    "an empty secret": lambda stack, who: by_hand("", {"alg": "HS256"}, claims(stack.issuer, who)),
    "another's claims under a good signature": swapped,
    "a key that it brings along": brings_its_key,
    "RS256 with a key nobody knows": lambda stack, who: made(stack, who, RSAKey.generate_key(2048), "RS256"),
    "ES256 with a key nobody knows": lambda stack, who: made(stack, who, ECKey.generate_key("P-256"), "ES256"),
    "HS512, which nobody here uses": lambda stack, who: own(stack, who, alg="HS512"),
    "an unknown key id": lambda stack, who: made(stack, who, RSAKey.generate_key(2048), "RS256", kid="no-such-key"),
    "a key id that is a path": lambda stack, who: made(
        stack, who, RSAKey.generate_key(2048), "RS256", kid="../../dev/null"
    ),
    "a foreign project's key id": lambda stack, who: made(stack, who, issuers.RSA, "RS256", kid="rsa-1"),
    "a critical extension": lambda stack, who: own(stack, who, crit=["exp2"], exp2=1),
    "another audience": lambda stack, who: stack.token(who, aud="somebody-else"),
    "no audience": lambda stack, who: stack.token(who, aud=None),
    "expired": lambda stack, who: stack.token(who, iat=NOW - 7200, exp=NOW - 3600),
    "not yet valid": lambda stack, who: stack.token(who, nbf=NOW + 3600),
    "no end": lambda stack, who: stack.token(who, exp=None),
    "an end that is a text": lambda stack, who: by_hand(
        stack.ready["jwt_secret"], {"alg": "HS256"}, claims(stack.issuer, who, exp="never")
    ),
    "an end beyond all numbers": lambda stack, who: by_hand(
        stack.ready["jwt_secret"], {"alg": "HS256"}, claims(stack.issuer, who, exp=10**40)
    ),
    "an issuer nobody trusts": lambda stack, who: stack.token(who, iss="https://evil.example.com/auth/v1"),
    "no issuer": lambda stack, who: stack.token(who, iss=None),
    "a role nobody knows": lambda stack, who: stack.token(who, role="postgres"),
    "the role of the login": lambda stack, who: stack.token(who, role="simplon_api"),
    "a role with a quote": lambda stack, who: stack.token(who, role="authenticated'; reset role; --"),
    "no subject": lambda stack, who: stack.token(None),
    "a subject that is no UUID": lambda stack, who: stack.token("' or true --"),
    "claims that are a list": lambda stack, who: by_hand(stack.ready["jwt_secret"], {"alg": "HS256"}, [1, 2]),
    "20 kB of claims": lambda stack, who: stack.token(who, extra="x" * 20_000),
    "four parts": lambda stack, who: stack.token(who) + ".x",
    "not a token": lambda stack, who: "hello",
    "a key of the new form that is made up": lambda stack, who: "sb_secret_" + "a" * 32,
    # Foreign projects
    "a foreign project that says service_role": lambda stack, who: issuers.foreign(who, role="service_role"),
    "a foreign project that says anon": lambda stack, who: issuers.foreign(who, role="anon"),
    "a foreign project that uses our secret": lambda stack, who: stack.token(who, iss=issuers.FOREIGN),
    "our name under a foreign project's secret": lambda stack, who: by_hand(
        issuers.SECRET, {"alg": "HS256"}, claims(stack.issuer, who)
    ),
    "a foreign project's public key as a secret": lambda stack, who: by_hand(
        issuers.RSA.as_pem(private=False).decode(), {"alg": "HS256", "kid": "rsa-1"}, claims(issuers.FOREIGN, who)
    ),
    "a foreign key of another kind": lambda stack, who: by_hand_asymmetric(
        {"alg": "RS256", "kid": "ec-1"}, claims(issuers.FOREIGN, who), issuers.EC
    ),
    "an unknown key id of a foreign project": lambda stack, who: jwt.encode(
        {"alg": "RS256", "kid": "rsa-2"}, claims(issuers.FOREIGN, who), issuers.RSA
    ),
    "a partner that says service_role": lambda stack, who: issuers.partner(who, role="service_role"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_token_is_refused_for(name, stack):
    forged = ATTACKS[name](stack, someone())
    bearer = {"Authorization": f"Bearer {forged}"}
    for headers in (bearer, bearer | {"apikey": stack.ready["service_role_key"]}):
        answer = httpx.get(f"{stack.url}/agent/status", headers=headers)
        assert answer.status_code in (401, 431), f"{answer.status_code}: {answer.text}"
        if answer.status_code == 401:
            code = answer.json()["code"]
            refused(answer, 401, code)
            assert code in ("auth.invalid", "auth.expired"), code
            assert forged not in answer.text
    assert forged not in (stack.home / "simplon.log").read_text()


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "bearer", "Token x", ""])
def test_another_kind_of_authorization_is_refused(stack, header):
    answer = httpx.get(f"{stack.url}/agent/status", headers={"Authorization": header})
    assert answer.status_code == 401, answer.text


def test_a_person_s_token_is_no_api_key(stack):
    answer = httpx.get(f"{stack.url}/agent/status", headers={"apikey": stack.token(someone())})
    refused(answer, 401, "auth.invalid")


def test_a_good_token_still_passes(ada):
    assert ada.http.get("/agent/status").status_code == 200


def test_a_token_may_not_choose_its_rights_by_other_claims(stack, ada):
    run = ada.create(noop(1))
    more = {
        "app_metadata": {"role": "service_role"},
        "user_role": "service_role",
        "user_id": ada.person,
        "email": "ada@example.com",
    }
    sly = Caller(stack.url, stack.token(someone(), **more))
    refused(sly.http.get("/agent/status", params={"run_id": run}), 404, "run.not_found")


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_a_foreign_project_s_person_is_somebody_of_its_own(stack, ada, algorithm):
    run = ada.create(noop(1))
    stranger = Caller(stack.url, issuers.foreign(ada.person, algorithm))
    refused(stranger.http.get("/agent/status", params={"run_id": run}), 404, "run.not_found")
    own_run = stranger.create(noop(1))
    assert stranger.status(own_run)["run_id"] == own_run
    refused(ada.http.get("/agent/status", params={"run_id": own_run}), 404, "run.not_found")
    again = Caller(stack.url, issuers.foreign(ada.person, "HS256"))
    assert again.status(own_run)["run_id"] == own_run, "the same person, however the token was signed"


def test_a_foreign_person_may_have_a_name_that_is_no_uuid(stack):
    assert Caller(stack.url, issuers.foreign("auth0|someone")).http.get("/agent/status").status_code == 200


def test_a_partner_s_person_is_the_same_person(stack, ada):
    run = ada.create(noop(1))
    assert Caller(stack.url, issuers.partner(ada.person)).status(run)["run_id"] == run
