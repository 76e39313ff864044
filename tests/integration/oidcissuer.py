"""A small OpenID Connect issuer on this machine: a discovery document, public keys, and tokens."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "aegis"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """``keys`` are told; ``documents`` replace what is answered at a path; ``asked`` counts by path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[dict[str, Any]] = [public("rsa", RSA)]
        self.documents: dict[str, bytes] = {}
        self.status = 200
        self.slowly = 0.0
        self.asked: Counter[str] = Counter()

    @property
    def fetched(self) -> int:
        return self.asked["/jwks"]

    def document(self, path: str) -> bytes:
        self.asked[path] += 1
        if path in self.documents:
            return self.documents[path]
        if path == "/jwks":
            return json.dumps({"keys": self.keys}).encode()
        return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}).encode()

    def token(
        self,
        key: Any = RSA,
        *,
        kid: str | None = "rsa",
        algorithm: str = "RS256",
        head: dict[str, Any] | None = None,
        without: str | None = None,
        **claims: Any,
    ) -> str:
        """One that is good but for what the arguments say."""
        now = time.time()
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "iat": now,
            "exp": now + 300,
            "aegis_role": "write",
            "aegis_collections": ["mine"],
            **claims,
        }
        said.pop(without or "", None)
        heads = {**({"kid": kid} if kid else {}), **(head or {})}
        return jwt.encode(said, key, algorithm=algorithm, headers=heads)


def public(kid: str, key: Any, **more: Any) -> dict[str, Any]:
    """A key's public half as an issuer tells it."""
    algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


@contextmanager
def issuing() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.document(self.path)
            self.send_response(issuer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for at in range(0, len(body), 1 << 16):
                if ended.wait(issuer.slowly):
                    return
                try:
                    self.wfile.write(body[at : at + (1 << 16)])
                except OSError:
                    return

        def log_message(self, *_: object) -> None: ...

    ended = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        ended.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
