"""TLS over kernel sockets: the stream, the certificates that a server shows, and what YAML says about them."""
