"""What goes on behind the service: duties, each a bounded piece of work at a time.

``loop`` lists them in order. Those that belong together share a module; ``catch_up`` is in
``storage.recovery``, because ``domicile recover`` does the same.

A duty is a function of the opened region that does one piece and says how much it did; nothing is
remembered between pieces but in the catalog, so any number of workers may run, and die.
"""
