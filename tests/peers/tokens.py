"""Makes keys and tokens with PyJWT: a JWK Set, and a token by each algorithm, as JSON."""

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET = "0123456789abcdef" * 4
now = int(time.time())
claims = {"iss": "https://idp.example", "aud": ["orders"], "sub": "alice", "iat": now,
          "nbf": now - 1, "exp": now + 600, "roles": ["admin"]}

rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
keys = {
    "rsa": (rsa_key, RSAAlgorithm, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    "p256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm, ["ES256"]),
    "p384": (ec.generate_private_key(ec.SECP384R1()), ECAlgorithm, ["ES384"]),
    "p521": (ec.generate_private_key(ec.SECP521R1()), ECAlgorithm, ["ES512"]),
    "ed": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm, ["EdDSA"]),
}
jwks, tokens = [], {}
for kid, (key, kind, algorithms) in keys.items():
    jwk = json.loads(kind.to_jwk(key.public_key()))
    jwks.append({**jwk, "kid": kid, "use": "sig"})
    for algorithm in algorithms:
        tokens[algorithm] = jwt.encode(claims, key, algorithm, headers={"kid": kid})
shared = {alg: jwt.encode(claims, SECRET, alg) for alg in ["HS256", "HS384", "HS512"]}
print(json.dumps({"jwks": {"keys": jwks}, "tokens": tokens, "secret": SECRET, "shared": shared}))
