"""A listening socket leaves connections to the other processes that share it."""

import socket

import pytest

from tandem_shared.serving.listener import Listener


def test_one_connection_is_accepted_at_each_turn() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = bound.getsockname()
        listener = Listener(fileno=bound.detach())
    listener.setblocking(False)
    clients = [socket.create_connection(address) for _ in range(3)]
    taken = []
    with listener:
        for _ in clients:
            taken.append(listener.accept()[0])
            with pytest.raises(BlockingIOError):  # though others wait: asyncio's turn ends
                listener.accept()
        for _ in range(2):
            with pytest.raises(BlockingIOError):
                listener.accept()
    assert {each.getpeername() for each in taken} == {each.getsockname() for each in clients}
    for each in (*taken, *clients):
        each.close()
