"""One HTTP request with the standard library: a cold start pays for no client of anybody's."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException


def exchange(
    method: str,
    url: str,
    content: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float,
    proxies: bool = False,
) -> tuple[int, bytes]:
    """(status, body), whatever the status; `proxies` are those of the environment.

    Raises OSError for no answer, TimeoutError among them.
    """
    handlers = () if proxies else (urllib.request.ProxyHandler({}),)
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, content, dict(headers or {}), method=method)
    try:
        with opener.open(request, timeout=seconds) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return int(refused.code), refused.read()
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from error
        raise OSError(str(error.reason)) from error
    except HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
