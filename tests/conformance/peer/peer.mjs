// An application that is not ours, by openid-client or by oauth4webapi: driven by JSON lines on stdin, one answer a line on stdout.
// A line in: {"call": name, "args": {...}}; a line out: {"value": ...} or {"error": {name, code, error, description, status}}.
import { createInterface } from 'node:readline'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import { find, keep, privateKey } from './kept.mjs'
import * as oauth4webapi from './oauth4webapi.mjs'
import * as openidClient from './openid-client.mjs'
import { fetchWith, startProxy } from './tls.mjs'

const libraries = { 'openid-client': openidClient, oauth4webapi }
const calls = {
  /** The provider's metadata, and a handle by which a client of it is known. `tls`: what it shows when it connects. */
  async discover({ by = 'openid-client', issuer, client_id, metadata = {}, auth = {}, tls }) {
    const library = libraries[by]
    const known = await library.discover({ issuer, client_id, metadata, auth }, tls && fetchWith(tls))
    return { config: keep({ library, known }), server: library.server(known) }
  },
  async key({ alg }) {
    const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await jose.exportJWK(publicKey)), alg, use: 'sig' }
    jwk.kid = await jose.calculateJwkThumbprint(jwk)
    return { public: jwk, private: { ...jwk, ...(await jose.exportJWK(privateKey)) } }
  },
  async dpopKey({ alg = 'ES256' }) {
    const pair = await oauth.generateKeyPair(alg, { extractable: true })
    return { key: keep(pair), jkt: await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey)) }
  },
  async sign({ key, header = {}, claims }) {
    const { key: imported, kid } = await privateKey(key)
    return new jose.SignJWT(claims).setProtectedHeader({ alg: key.alg ?? key.jwk.alg, kid, ...header }).sign(imported)
  },
  async pkce() {
    const verifier = oauth.generateRandomCodeVerifier()
    return { verifier, challenge: await oauth.calculatePKCECodeChallenge(verifier) }
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
    const { library, known } = find(config)
    const keys = jose.createRemoteJWKSet(new URL(library.server(known).jwks_uri))
    const { payload, protectedHeader } = await jose.jwtVerify(token, keys, options)
    return { payload, header: protectedHeader }
  },
  async proxy(args) {
    const proxy = await startProxy(args)
    return { proxy: keep(proxy), port: proxy.port }
  },
  async forward({ proxy, upstream }) {
    Object.assign(find(proxy), { upstream })
  },
}

/** Any other call is one of the client's library. */
async function answerTo(call, args) {
  if (calls[call]) return calls[call](args)
  const { library, known } = find(args.config)
  return library[call](known, args)
}

function told(error) {
  const { name, code, message, status } = error
  return { name, code, message, status, error: error.error, description: error.error_description, cause: String(error.cause ?? '') }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line)
  let answer
  try {
    answer = { value: (await answerTo(call, args)) ?? null }
  } catch (error) {
    answer = { error: told(error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
process.exit() // with proxies that still listen
