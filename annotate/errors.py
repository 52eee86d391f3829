"""The one family of errors: what a user can cause or meet, said in one line.

A message says where, what was found, what was wanted and what to do next. The library
raises; only `annotate.cli` prints the message and exits.
"""


class VipolError(Exception):
    """An error of the data or of a service; its text is one line for the user."""


class DataError(VipolError):
    """A file or a document that cannot be used as it is."""


class ServiceError(VipolError):
    """A service (Label Studio, the Hub) that refused, failed or did not answer."""
