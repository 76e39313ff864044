"""Settings of OpenID Connect: the issuer whose tokens are accepted in place of keys, and their claims."""

from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings

from rag.settings.keys import Role
from rag.settings.wording import shown

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Only asymmetric ones: a key that checks tokens must not be able to make them."""

_CLAIM = "^[A-Za-z0-9_:/.-]{1,128}$"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OidcSettings(BaseSettings):
    """OpenID Connect. No issuer is called while ``oidc_issuer`` is unset."""

    oidc_issuer: str | None = Field(
        None,
        description="Issuer (https://…) whose tokens are accepted as `Authorization: Bearer TOKEN`, besides keys. Unset: none.",
    )
    oidc_audience: str | None = Field(
        None, description="Audience that a token's `aud` must contain; required with OIDC_ISSUER."
    )
    oidc_jwks_url: str | None = Field(
        None, description="Where the issuer's public keys are. Unset: where its discovery document says."
    )
    oidc_algorithms: tuple[Algorithm, ...] = Field(
        ("RS256", "ES256", "EdDSA"),
        min_length=1,
        description="Accepted signature algorithms, all asymmetric.",
    )
    oidc_role_claim: str = Field(
        "aegis_role",
        pattern=_CLAIM,
        description="Claim, a string or a list of them, that says the role; dots lead into nested ones, as in realm_access.roles.",
    )
    oidc_roles: dict[str, Role] = Field(
        {"read": Role.READ, "write": Role.WRITE, "admin": Role.ADMIN},
        description="Role of each value of that claim, as JSON; of several the highest counts. A token with none is refused.",
    )
    oidc_collections_claim: str = Field(
        "aegis_collections",
        pattern=_CLAIM,
        description='Claim with the collections that the token reaches, a list or words with spaces between; "*" for all. A token without it is refused.',
    )
    oidc_leeway_seconds: float = Field(
        30, ge=0, le=300, description="By how much the issuer's clock may differ from ours."
    )


def unfit(settings: OidcSettings) -> Iterator[str]:
    """A line for each fault."""
    if settings.oidc_issuer and not settings.oidc_audience:
        yield "OIDC_AUDIENCE: is needed with OIDC_ISSUER, or tokens for others would open the door here"
    if settings.oidc_jwks_url and not settings.oidc_issuer:
        yield "OIDC_ISSUER: is needed with OIDC_JWKS_URL"
    for name, url in (("OIDC_ISSUER", settings.oidc_issuer), ("OIDC_JWKS_URL", settings.oidc_jwks_url)):
        if url is not None and not safe(url):
            yield f"{name}: {shown(url)} must begin with https://, or with http:// for this machine itself"


def safe(url: str) -> bool:
    """Whether answers from ``url`` cannot be changed on their way: https, or this machine itself."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))
