"""Captures without their packets: connection tables, and what else mapping them needs, saved."""
