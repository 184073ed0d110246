"""Reads an event stream over TLS and HTTP/2 with the package h2, to its proper end.

Arguments: the port, and the file of the certificate. Prints what it received.
"""

import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events

port, certificate = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context(cafile=certificate)
context.set_alpn_protocols(["h2"])
with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
    # Without a `close_notify` at the end, reading would raise an error.
    with context.wrap_socket(
        plain, server_hostname="localhost", suppress_ragged_eofs=False
    ) as stream:
        assert stream.selected_alpn_protocol() == "h2", stream.selected_alpn_protocol()
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        connection.send_headers(
            1,
            [
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", f"localhost:{port}"),
                (":path", "/finite"),
            ],
            end_stream=True,
        )
        stream.sendall(connection.data_to_send())
        body, is_over = b"", False
        while not is_over:
            for event in connection.receive_data(stream.recv(65536)):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, 1)
                is_over |= isinstance(event, h2.events.StreamEnded)
            stream.sendall(connection.data_to_send())
        connection.close_connection()
        stream.sendall(connection.data_to_send())
        while stream.recv(65536):
            pass
print(body.decode(), end="")
