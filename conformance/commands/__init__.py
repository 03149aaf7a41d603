"""The commands of `kraty-conformance`, a module each, loaded when called (see `cli`)."""
