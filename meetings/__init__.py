"""The paperless meeting: a relying party of the province's issuer, and a resource server for its own web app."""
