"""NetworkPolicies: what they select and allow, held against the calls that were observed."""
