"""REST/JSON for every method that the sandbox serves over gRPC.

Nothing is registered here: `wire.RestWire` takes the gRPC handlers of all APIs and the server's
interceptors, so a method that an API puts on the gRPC server is on REST too, behind the same
interceptors. The HTTP rules come from Google's generated clients (`rules.py`); an API whose client
has no REST transport has them in `written_rules.py`, and another API's dialect of a method
(Resource Manager v1 for v3) in `other_paths.py`. A dialect with messages of its own (Knative) is a
`wire.Dialect`, which an API offers by a method `dialects(calls)`.
"""
