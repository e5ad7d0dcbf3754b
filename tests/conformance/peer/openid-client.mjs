// A client by openid-client: each call takes what `discover` has kept, and the tester's arguments.
import * as client from 'openid-client'
import { find, privateKey } from './kept.mjs'

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
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return client.TlsClientAuth()
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

/** ID token signatures are always checked. */
export async function discover({ issuer, client_id, metadata, auth }, fetch) {
  const options = { execute: [client.allowInsecureRequests], [client.customFetch]: fetch }
  const config = await client.discovery(new URL(issuer), client_id, metadata, await authentication(auth), options)
  client.enableNonRepudiationChecks(config)
  return config
}

export const server = (config) => config.serverMetadata()
export const jarm = (config) => client.useJwtResponseMode(config)
export const authorizationUrl = (config, { params }) => client.buildAuthorizationUrl(config, params).href
export const device = (config, { params }) => client.initiateDeviceAuthorization(config, params)
export const ciba = (config, { params }) => client.initiateBackchannelAuthentication(config, params)
export const introspect = (config, { token }) => client.tokenIntrospection(config, token)
export const revoke = (config, { token }) => client.tokenRevocation(config, token)

export async function jar(config, { params, key }) {
  return (await client.buildAuthorizationUrlWithJAR(config, params, await privateKey(key))).href
}

/** With `key`, a signed request object is pushed. */
export async function par(config, { params, key, dpop }) {
  const asked = key ? (await client.buildAuthorizationUrlWithJAR(config, params, await privateKey(key))).searchParams : params
  return (await client.buildAuthorizationUrlWithPAR(config, asked, proof(config, dpop))).href
}

export async function codeGrant(config, { url, form, checks = {}, dpop }) {
  const landed = form ? new Request(url, { method: 'POST', body: new URLSearchParams(form) }) : new URL(url)
  return plain(await client.authorizationCodeGrant(config, landed, checks, undefined, proof(config, dpop)))
}

export async function refresh(config, { refresh_token, dpop }) {
  return plain(await client.refreshTokenGrant(config, refresh_token, undefined, proof(config, dpop)))
}

export async function clientCredentials(config, { params = {}, dpop }) {
  return plain(await client.clientCredentialsGrant(config, params, proof(config, dpop)))
}

export async function devicePoll(config, { answer, dpop }) {
  return plain(await client.pollDeviceAuthorizationGrant(config, answer, {}, proof(config, dpop)))
}

export async function cibaPoll(config, { answer, dpop }) {
  return plain(await client.pollBackchannelAuthenticationGrant(config, answer, {}, proof(config, dpop)))
}

export async function userinfo(config, { access_token, subject, dpop }) {
  return client.fetchUserInfo(config, access_token, subject ?? client.skipSubjectCheck, proof(config, dpop))
}
