"""Many days of a Domicile with much trouble, and how late anything was."""
