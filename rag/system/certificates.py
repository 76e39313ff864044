"""When the certificate of a TLS server ends."""

import socket
import ssl
from functools import partial

CONNECT_SECONDS = 3.0


def certificate_end(host: str, port: int) -> float:
    """The end of the certificate that the server shows, in seconds since 1970. OSError without an answer.

    It is read and not checked: whether it is trusted is the business of those who send something there.
    """
    from cryptography import x509  # noqa: PLC0415 - takes 8 MB, and few servers are reached by TLS

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connect = partial(socket.create_connection, (host, port), timeout=CONNECT_SECONDS)
    with connect() as plain, context.wrap_socket(plain, server_hostname=host) as secured:
        shown = secured.getpeercert(binary_form=True)
    if shown is None:
        raise OSError(f"{host}:{port} shows no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()
