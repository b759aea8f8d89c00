from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from podman.api.uds import UDSAdapter

class APIResponse:
    status_code: int
    content: bytes
    headers: Mapping[str, str]
    def iter_lines(self, chunk_size: int | None = ...) -> Iterator[bytes]: ...

class APIClient:
    adapters: Mapping[str, UDSAdapter]
    def __init__(self, base_url: str, version: str | None = ...) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = ...,
        headers: Mapping[str, str | bytes] | None = ...,
        stream: bool = ...,
    ) -> APIResponse: ...
    def delete(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = ...,
        headers: Mapping[str, str | bytes] | None = ...,
        stream: bool = ...,
    ) -> APIResponse: ...
    def put(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = ...,
        data: bytes | None = ...,
        headers: Mapping[str, str | bytes] | None = ...,
        stream: bool = ...,
    ) -> APIResponse: ...
    def post(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = ...,
        data: bytes | None = ...,
        headers: Mapping[str, str | bytes] | None = ...,
        stream: bool = ...,
    ) -> APIResponse: ...
