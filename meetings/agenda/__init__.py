"""Meetings and their agenda: plan, publish, open, lead, adjourn, close."""
