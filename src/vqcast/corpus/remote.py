"""URLs of sources and cell files: ``file://``, ``s3://`` and whatever fsspec knows.

A ``file:`` URL is a path and needs nothing; every other one needs the extra
``[cluster]``. Credentials and endpoints are those of the environment, as each
fsspec filesystem reads them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` …).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from vqcast.errors import InputError, MissingDependency, VqcastError
from vqcast.extras import install, needed

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*"
_URL = re.compile(rf"{_SCHEME}(::{_SCHEME})*://")


def is_url(text: str) -> bool:
    """Whether ``text`` names something by URL rather than by path."""
    return _URL.match(text) is not None


def local_path(text: str) -> Path | None:
    """The path that ``text`` means: itself, or that of a ``file:`` URL; None for another URL.

    Raises InputError for a ``file:`` URL of another host.
    """
    if not is_url(text):
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme.lower() != "file":
        return None
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise InputError("is no local file", path=text, hint="write file:///PATH, % signs as %25")
    return Path(unquote(parts.path, errors="surrogateescape"))


def name_of(url: str) -> str:
    """The file name at the end of a URL. Raises InputError where it has none."""
    name = url.rstrip("/").rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name or name == urlsplit(url).netloc:
        raise InputError("names no file", path=url)
    return name


def fetch(url: str, to: Path) -> None:
    """Copy what ``url`` names to the local file ``to``."""
    with in_our_words(url):
        filesystem, path = filesystem_of(url)
        filesystem.get_file(path, str(to))


def filesystem_of(url: str) -> tuple[Any, str]:
    """fsspec's filesystem of a URL, and the path there. Raises MissingDependency without fsspec."""
    if "::" in url:
        raise InputError("chained URLs are not read", path=url, hint="name one file or folder")
    with needed("fsspec", f"{url}: a file by URL"):
        import fsspec
    filesystem, path = fsspec.core.url_to_fs(url)
    return filesystem, str(path)


@contextmanager
def in_our_words(url: str) -> Iterator[None]:
    """What a filesystem raises, as a refusal that names the URL."""
    try:
        yield
    except VqcastError:
        raise
    except ImportError as error:
        raise MissingDependency(first_line(error), path=url, hint=install("cluster")) from error
    except FileNotFoundError as error:
        raise InputError("no such file or bucket", path=url) from error
    except Exception as error:  # each filesystem has exceptions of its own
        raise InputError(
            f"can't be used: {first_line(error)}",
            path=url,
            hint="check the URL, the credentials and the endpoint in the environment",
        ) from error


def first_line(error: object) -> str:
    """What an exception says, in one line."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]
