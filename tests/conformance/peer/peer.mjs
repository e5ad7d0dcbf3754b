// An application that is not ours: openid-client and oauth4webapi, driven by JSON lines on stdin, one answer a line on stdout.
// A line in: {"call": name, "args": {...}}; a line out: {"value": ...} or {"error": {name, code, error, description, status}}.
import { createInterface } from 'node:readline'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'

const kept = new Map() // configurations and DPoP keys, by the handle that the tester knows
let count = 0

function keep(thing) {
  const handle = `h${++count}`
  kept.set(handle, thing)
  return handle
}

function find(handle) {
  if (!kept.has(handle)) throw new Error(`unknown handle ${handle}`)
  return kept.get(handle)
}

async function privateKey({ jwk, alg }) {
  return { key: await jose.importJWK(jwk, alg ?? jwk.alg), kid: jwk.kid }
}

async function authentication({ method = 'client_secret_basic', secret, key, claims = {} }) {
  switch (method) {
    case 'client_secret_basic':
      return client.ClientSecretBasic(secret)
    case 'client_secret_post':
      return client.ClientSecretPost(secret)
    case 'private_key_jwt':
      return client.PrivateKeyJwt(await privateKey(key), {
        [client.modifyAssertion]: (_header, payload) => Object.assign(payload, claims),
      })
    default:
      return client.None()
  }
}

function proof(config, dpop) {
  return dpop ? { DPoP: client.getDPoPHandle(config, find(dpop)) } : undefined
}

/** A token response as plain JSON, with the claims of its ID token, which openid-client has validated. */
function plain(tokens) {
  return { ...tokens, claims: tokens.claims() ?? null }
}

const insecure = [client.allowInsecureRequests]
const calls = {
  /** The provider's metadata, and a handle by which a client of it is known. ID token signatures are always checked. */
  async discover({ issuer, client_id, metadata = {}, auth = {} }) {
    const config = await client.discovery(new URL(issuer), client_id, metadata, await authentication(auth), { execute: insecure })
    client.enableNonRepudiationChecks(config)
    return { config: keep(config), server: config.serverMetadata() }
  },
  async jarm({ config }) {
    client.useJwtResponseMode(find(config))
  },
  async key({ alg }) {
    const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await jose.exportJWK(publicKey)), alg, use: 'sig' }
    jwk.kid = await jose.calculateJwkThumbprint(jwk)
    return { public: jwk, private: { ...jwk, ...(await jose.exportJWK(privateKey)) } }
  },
  async dpopKey({ alg = 'ES256' }) {
    const pair = await client.randomDPoPKeyPair(alg, { extractable: true })
    return { key: keep(pair), jkt: await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey)) }
  },
  async sign({ key, header = {}, claims }) {
    const { key: imported, kid } = await privateKey(key)
    return new jose.SignJWT(claims).setProtectedHeader({ alg: key.alg ?? key.jwk.alg, kid, ...header }).sign(imported)
  },
  async pkce() {
    const verifier = client.randomPKCECodeVerifier()
    return { verifier, challenge: await client.calculatePKCECodeChallenge(verifier) }
  },
  async authorizationUrl({ config, params }) {
    return client.buildAuthorizationUrl(find(config), params).href
  },
  async jar({ config, params, key }) {
    return (await client.buildAuthorizationUrlWithJAR(find(config), params, await privateKey(key))).href
  },
  async par({ config, params, dpop }) {
    return (await client.buildAuthorizationUrlWithPAR(find(config), params, proof(find(config), dpop))).href
  },
  /** `url` is where the browser landed; with `form`, what the page there has posted. */
  async codeGrant({ config, url, form, checks = {}, params = {}, dpop }) {
    const landed = form ? new Request(url, { method: 'POST', body: new URLSearchParams(form) }) : new URL(url)
    return plain(await client.authorizationCodeGrant(find(config), landed, checks, params, proof(find(config), dpop)))
  },
  async refresh({ config, refresh_token, params = {}, dpop }) {
    return plain(await client.refreshTokenGrant(find(config), refresh_token, params, proof(find(config), dpop)))
  },
  async clientCredentials({ config, params = {}, dpop }) {
    return plain(await client.clientCredentialsGrant(find(config), params, proof(find(config), dpop)))
  },
  async grant({ config, type, params, dpop }) {
    return plain(await client.genericGrantRequest(find(config), type, params, proof(find(config), dpop)))
  },
  async device({ config, params }) {
    return client.initiateDeviceAuthorization(find(config), params)
  },
  async devicePoll({ config, answer, params = {}, dpop }) {
    return plain(await client.pollDeviceAuthorizationGrant(find(config), answer, params, proof(find(config), dpop)))
  },
  async ciba({ config, params }) {
    return client.initiateBackchannelAuthentication(find(config), params)
  },
  async cibaPoll({ config, answer, params = {}, dpop }) {
    return plain(await client.pollBackchannelAuthenticationGrant(find(config), answer, params, proof(find(config), dpop)))
  },
  async userinfo({ config, access_token, subject, dpop }) {
    return client.fetchUserInfo(find(config), access_token, subject ?? client.skipSubjectCheck, proof(find(config), dpop))
  },
  async introspect({ config, token, params = {} }) {
    return client.tokenIntrospection(find(config), token, params)
  },
  async revoke({ config, token, params = {} }) {
    return client.tokenRevocation(find(config), token, params)
  },
  async endSessionUrl({ config, params = {} }) {
    return client.buildEndSessionUrl(find(config), params).href
  },
  /** Registered by oauth4webapi, whose judgement of the answer is its own. */
  async register({ issuer, metadata, token }) {
    const options = { [oauth.allowInsecureRequests]: true }
    const server = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options))
    const sent = await oauth.dynamicClientRegistrationRequest(server, metadata, { ...options, initialAccessToken: token })
    return oauth.processDynamicClientRegistrationResponse(sent)
  },
  /** A JWT against the provider's published keys, by jose. */
  async verify({ config, token, options = {} }) {
    const keys = jose.createRemoteJWKSet(new URL(find(config).serverMetadata().jwks_uri))
    const { payload, protectedHeader } = await jose.jwtVerify(token, keys, options)
    return { payload, header: protectedHeader }
  },
}

function told(error) {
  const { name, code, message, status } = error
  return { name, code, message, status, error: error.error, description: error.error_description, cause: String(error.cause ?? '') }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line)
  let answer
  try {
    answer = { value: (await calls[call](args)) ?? null }
  } catch (error) {
    answer = { error: told(error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
