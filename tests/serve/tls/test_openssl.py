import errno
import os
import subprocess
import sys

import pytest

from storescp.errors import ConfigurationError
from storescp.serve.tls import openssl as tls_openssl
from storescp.serve.tls.offer import features, offered_suites
from storescp.serve.tls.openssl import LIBRARY_SYSTEM, library


def test_library_is_the_one_of_python() -> None:
    """The library is that which Python's own module is linked with."""
    import ssl

    assert library().version == ssl.OPENSSL_VERSION
    assert library() is library()


def test_errors_are_taken_once() -> None:
    """Errors come in the order in which they occurred, and are gone then."""
    openssl = library()
    missing = openssl.BIO_new_file(b"/no/such/file", b"rb")

    errors = openssl.errors()

    assert not missing
    assert errors[0].library == LIBRARY_SYSTEM
    assert errors[0].reason == errno.ENOENT
    assert str(errors[0]) == f"OpenSSL error {errors[0].code:08x}: {os.strerror(errno.ENOENT)}"
    assert openssl.errors() == []


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no OpenSSL, or only files that are something else, the user is told."""
    monkeypatch.setattr(tls_openssl, "_candidates", lambda: iter(["/no/such/file", sys.executable]))
    monkeypatch.setattr("ctypes.CDLL", _only_libc)
    library.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="no usable OpenSSL") as caught:
            library()
        assert "Install" in caught.value.__notes__[0]
        assert features() == (False, False, False)
        with pytest.raises(ConfigurationError):
            offered_suites()
    finally:
        library.cache_clear()


def _only_libc(name: str, **_options: bool) -> object:
    if name == sys.executable:
        return object()
    raise OSError(name)


def test_unusable_configuration_of_openssl() -> None:
    """A broken configuration file of OpenSSL is an error of configuration, not a crash."""
    code = (
        "from storescp.errors import ConfigurationError\n"
        "from storescp.serve.tls.openssl import library\n"
        "openssl = library()\n"
        "openssl.SSL_CTX_new = lambda method: None\n"
        "try:\n"
        "    openssl.new_context()\n"
        "except ConfigurationError as error:\n"
        "    print(error, *error.__notes__)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert output.startswith("OpenSSL cannot be set up")
    assert "OPENSSL_CONF" in output


def test_settings_need_no_library() -> None:
    """Choosing profiles and settings loads neither OpenSSL nor what calls it."""
    code = (
        "import sys\n"
        "import storescp.serve.tls.settings\n"
        "print(*({'ssl', '_ssl', 'ctypes', 'cryptography'} & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    output = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert output == "\n"
