"""Service graph ↔ ClientIntents documents, in every version that operators have read."""
