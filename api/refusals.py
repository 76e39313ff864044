"""The problems of HTTP itself, by status: a code and a title each, before the routes and behind them."""

from collections.abc import Mapping

OF_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("malformed-request", "The request cannot be read"),
    404: ("no-such-path", "There is nothing at this path"),
    405: ("method-not-allowed", "This path does not take this method"),
    408: ("request-timeout", "The request came too slowly"),
    413: ("body-too-large", "The body is too large for this call"),
    414: ("address-too-long", "The address is too long"),
    431: ("head-too-large", "The request's head is too large"),
    501: ("not-implemented", "This is not spoken here"),
    503: ("too-many-connections", "Too many connections are open"),
    505: ("version-not-supported", "This version of HTTP is not spoken here"),
}
