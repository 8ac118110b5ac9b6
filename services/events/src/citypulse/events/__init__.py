"""What citypulse's services say in common."""
