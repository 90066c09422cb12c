"""Stories, each drawn from a seed: months of a Domicile with much trouble, reproducible."""
