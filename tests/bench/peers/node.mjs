// oidc-provider as its documentation starts it: its in-memory adapter, its development pages (which ask for no password).
// Changed only so that it does the work that is measured: a grant without a consent page, refresh tokens for every sign-in,
// a signed access token for who names a resource.
import { generateKeyPairSync } from 'node:crypto'
import Provider from 'oidc-provider'

const { PORT, REDIRECT_URI, SECRET } = process.env
const scope = 'openid profile email offline_access'
const pairs = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const keys = Object.entries(pairs).map(([alg, pair]) => ({ ...pair.privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: alg }))
const clients = Object.keys(pairs).map((alg) => ({
  client_id: `bench-${alg.toLowerCase()}`,
  client_secret: SECRET,
  redirect_uris: [REDIRECT_URI],
  grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
  response_types: ['code'],
  id_token_signed_response_alg: alg,
}))

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients,
  jwks: { keys },
  cookies: { keys: [SECRET] },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({ scope: '', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
    },
  },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  loadExistingGrant: async ({ oidc }) => {
    const known = oidc.session.grantIdFor(oidc.client.clientId)
    const found = known && (await oidc.provider.Grant.find(known))
    if (found) return found
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId })
    grant.addOIDCScope(scope)
    await grant.save()
    return grant
  },
})
provider.listen(Number(PORT), '127.0.0.1')
