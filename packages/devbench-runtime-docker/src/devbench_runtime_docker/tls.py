"""The TLS context of a connection to an engine."""

from __future__ import annotations

import ssl

from devbench_core.errors import ConfigurationInvalid
from devbench_runtime_docker.endpoint import TlsFiles


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Build the context. Reads files; call it off the event loop.

    Raises:
        ConfigurationInvalid: A file cannot be read or holds something else; the file is named.
    """
    try:
        context = ssl.create_default_context(cafile=str(files.ca) if files.ca else None)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(files.ca, error) from error
    if not files.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.cert:
        try:
            context.load_cert_chain(str(files.cert), str(files.key) if files.key else None)
        except (OSError, ssl.SSLError) as error:
            raise _unusable(files.cert, error) from error
    return context


def _unusable(path: object, error: Exception) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"the TLS file {path} cannot be used: {error}", hint="it must be PEM and readable"
    )
