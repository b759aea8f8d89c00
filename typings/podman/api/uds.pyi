import socket

class UDSConnection:
    sock: socket.socket
    timeout: float | None
    def connect(self) -> None: ...

class UDSConnectionPool:
    ConnectionCls: type[UDSConnection]

class UDSPoolManager:
    pool_classes_by_scheme: dict[str, type[UDSConnectionPool]]

class UDSAdapter:
    poolmanager: UDSPoolManager
