"""Who stands at the door: the verified caller of a request, and sign-ins that the issuer has ended."""
