"""Stories drawn from a seed: months of a Domicile, in which much goes wrong, always the same."""
