"""The only folder that talks to a language model: requests, replies, endpoints, the cache, and reading labels."""
