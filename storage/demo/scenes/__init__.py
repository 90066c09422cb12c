"""The scenes of the demonstration, one module each; ``storage.demo.run`` has their order."""
