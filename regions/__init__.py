"""The topology: jurisdictions, regions, sub-processors, backends and data classes, as data."""
