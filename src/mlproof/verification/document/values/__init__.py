"""What formulas are worth: typed values at drawn points, with exact derivatives."""
