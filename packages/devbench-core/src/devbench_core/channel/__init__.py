"""The channel to the agent of a container: codec, handshake, requests, streams, and a link that mends itself."""
