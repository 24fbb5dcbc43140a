"""The only package that knows pjproject: engine, reactor, endpoint, transports, requests, C symbols."""
