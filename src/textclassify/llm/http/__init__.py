"""The way to a server: addresses and keys, protocols, the transport with its retries, and the rate governor."""
