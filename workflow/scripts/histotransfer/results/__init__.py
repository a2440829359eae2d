"""From the comparison to the tables that figures and report are made of."""
