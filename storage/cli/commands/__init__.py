"""The commands: one module per command or command group, named like it.

To add a command, write its module here and register it in ``storage.cli.app``.
"""
