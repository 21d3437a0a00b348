"""Verifies a token as an origin would, by keys that it fetches: URL, token and audience in, claims out."""

import json
import sys

import jwt

url, token, audience = sys.argv[1:]
key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
options = {"require": ["exp", "iat", "iss", "sub", "aud"]}
claims = jwt.decode(token, key, algorithms=["ES256"], audience=audience, options=options)
print(json.dumps(claims))
