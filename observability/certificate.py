"""When the certificate that a server shows ends: asked of the running server, not of a file.

A file may have been renewed while the server still shows the old one.
"""

from __future__ import annotations

import socket
import ssl

PATIENCE = 5.0  # seconds
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: a certificate that has ended is read all the same


def ends_at(host: str, port: int) -> float:
    """Connect and read the certificate's end.

    Python reads a certificate only where it is trusted, so the one shown is trusted, by itself, for this.

    Returns:
        Seconds since the epoch.

    Raises:
        OSError: Nobody answers there by TLS.
    """
    shown = ssl.get_server_certificate((host, port), timeout=PATIENCE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    context.load_verify_locations(cadata=shown)
    with (
        socket.create_connection((host, port), PATIENCE) as raw,
        context.wrap_socket(raw) as tls,
    ):
        told = tls.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(told["notAfter"])))
