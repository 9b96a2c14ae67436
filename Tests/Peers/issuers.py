"""Two projects beside ours that it trusts: one with people of its own, one whose people are the people here."""

import json

from agent import claims
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

FOREIGN, PARTNER = "https://foreign.example.com/auth/v1", "https://partner.example.com/auth/v1"
SECRET = "the-secret-of-the-foreign-project-0123456789"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})


def configuration() -> str:
    """Both, as `SIMPLON_ISSUERS` takes them."""
    keys = {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]}
    foreign = {"issuer": FOREIGN, "secret": SECRET, "jwks": keys}
    partner = {"issuer": PARTNER, "secret": SECRET[::-1], "shares_people": True}
    return json.dumps([foreign, partner])


def foreign(person: str | None, algorithm: str = "HS256", **more) -> str:
    """A token of the foreign project, signed as it would."""
    key = {"HS256": OctKey.import_key(SECRET), "RS256": RSA, "ES256": EC}[algorithm]
    header = {"alg": algorithm} | ({"kid": key.kid} if algorithm != "HS256" else {})
    return jwt.encode(header, claims(FOREIGN, person, **more), key)


def partner(person: str | None, **more) -> str:
    """A token of the project that shares its people with ours."""
    return jwt.encode({"alg": "HS256"}, claims(PARTNER, person, **more), OctKey.import_key(SECRET[::-1]))
