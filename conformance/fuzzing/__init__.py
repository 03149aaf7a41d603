"""Property-based testing of single operations with Schemathesis.

`generation` makes cases, `stand_ins` are the values in them that stand for things on the
server, `binding` turns a case into a request in which they are real.
"""
