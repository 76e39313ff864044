"""HTTP/1.1 before a route: connections, heads, proxies, problems."""
