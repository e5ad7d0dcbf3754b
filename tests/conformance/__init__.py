"""What the OpenID conformance suite asks, module by module under its own names, over real HTTP.

The other side is not ours: `peer` is openid-client and oauth4webapi in Node.js; `browser` follows links and sends forms.
"""
