"""What goes on behind the service: one module per duty, each a bounded piece of work at a time.

A duty is a function of the opened region that does one piece and says how much it did; nothing is
remembered between pieces but in the catalog, so any number of workers may run, and die.
"""
