"""Many days of a Domicile, in which much goes wrong, and how late anything was."""
