// The same client by oauth4webapi: what openid-client leaves to it is put together here, and every answer judged by it.
import * as oauth from 'oauth4webapi'
import { find, privateKey } from './kept.mjs'

async function authentication({ method = 'client_secret_basic', secret, key, claims = {} }) {
  switch (method) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(secret)
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret)
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt(await privateKey(key), {
        [oauth.modifyAssertion]: (_header, payload) => Object.assign(payload, claims),
      })
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return oauth.TlsClientAuth()
    default:
      return oauth.None()
  }
}

export async function discover({ issuer, client_id, metadata, auth }, fetch) {
  const options = { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: fetch }
  const url = new URL(issuer)
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options))
  return { as, client: { client_id, ...metadata }, auth: await authentication(auth), options, jarm: false }
}

export const server = (known) => known.as

export function jarm(known) {
  known.jarm = true
}

/** Sent again with the nonce where the server asks for one: by then it has told it. */
async function proving({ client }, dpop, send) {
  const DPoP = dpop ? oauth.DPoP(client, find(dpop)) : undefined
  try {
    return await send(DPoP)
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return send(DPoP)
  }
}

/** A JWT in the answer is checked by the published keys. */
async function checked({ as, client, options }, response, value) {
  const signed = value?.id_token || /\bjwt\b/.test(response.headers.get('content-type'))
  if (signed) await oauth.validateApplicationLevelSignature(as, response, options)
  return value
}

/** A token request, and its answer as plain JSON with the validated claims of its ID token. */
function tokens(known, dpop, request, judge) {
  const { as, client, auth, options } = known
  return proving(known, dpop, async (DPoP) => {
    const response = await request(as, client, auth, { ...options, DPoP })
    const got = await checked(known, response, await judge(as, client, response))
    return { ...got, claims: oauth.getValidatedIdTokenClaims(got) ?? null }
  })
}

function authorize({ as, client }, params) {
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({ client_id: client.client_id, ...params })
  return url.href
}

const asking = ({ jarm }, params) => ({ response_type: 'code', ...(jarm ? { response_mode: 'jwt' } : {}), ...params })

async function signed({ as, client }, params, key) {
  return { request: await oauth.issueRequestObject(as, client, params, await privateKey(key)) }
}

export const authorizationUrl = (known, { params }) => authorize(known, asking(known, params))

export async function jar(known, { params, key }) {
  return authorize(known, await signed(known, asking(known, params), key))
}

export async function par(known, { params, key, dpop }) {
  const { as, client, auth, options } = known
  const asked = key ? await signed(known, asking(known, params), key) : asking(known, params)
  const { request_uri } = await proving(known, dpop, async (DPoP) => {
    const response = await oauth.pushedAuthorizationRequest(as, client, auth, asked, { ...options, DPoP })
    return oauth.processPushedAuthorizationResponse(as, client, response)
  })
  return authorize(known, { request_uri })
}

export async function codeGrant(known, { url, form, checks = {}, dpop }) {
  const { as, client, options, jarm } = known
  const landed = form ? new URLSearchParams(form) : new URL(url)
  const state = checks.expectedState ?? oauth.expectNoState
  const told = jarm
    ? await oauth.validateJwtAuthResponse(as, client, landed, state, options)
    : oauth.validateAuthResponse(as, client, landed, state)
  const here = url.split(/[?#]/)[0]
  const rules = { expectedNonce: checks.expectedNonce, maxAge: checks.maxAge, requireIdToken: checks.idTokenExpected }
  return tokens(
    known,
    dpop,
    (as, client, auth, options) =>
      oauth.authorizationCodeGrantRequest(as, client, auth, told, here, checks.pkceCodeVerifier ?? oauth.nopkce, options),
    (as, client, response) => oauth.processAuthorizationCodeResponse(as, client, response, rules),
  )
}

export function refresh(known, { refresh_token, dpop }) {
  return tokens(
    known,
    dpop,
    (as, client, auth, options) => oauth.refreshTokenGrantRequest(as, client, auth, refresh_token, options),
    oauth.processRefreshTokenResponse,
  )
}

export function clientCredentials(known, { params = {}, dpop }) {
  return tokens(
    known,
    dpop,
    (as, client, auth, options) => oauth.clientCredentialsGrantRequest(as, client, auth, params, options),
    oauth.processClientCredentialsResponse,
  )
}

export async function device({ as, client, auth, options }, { params }) {
  const response = await oauth.deviceAuthorizationRequest(as, client, auth, params, options)
  return oauth.processDeviceAuthorizationResponse(as, client, response)
}

export function devicePoll(known, { answer, dpop }) {
  return tokens(
    known,
    dpop,
    (as, client, auth, options) => oauth.deviceCodeGrantRequest(as, client, auth, answer.device_code, options),
    oauth.processDeviceCodeResponse,
  )
}

export async function ciba({ as, client, auth, options }, { params }) {
  const response = await oauth.backchannelAuthenticationRequest(as, client, auth, params, options)
  return oauth.processBackchannelAuthenticationResponse(as, client, response)
}

export function cibaPoll(known, { answer, dpop }) {
  return tokens(
    known,
    dpop,
    (as, client, auth, options) => oauth.backchannelAuthenticationGrantRequest(as, client, auth, answer.auth_req_id, options),
    oauth.processBackchannelAuthenticationGrantResponse,
  )
}

export function userinfo(known, { access_token, subject, dpop }) {
  const { as, client, options } = known
  return proving(known, dpop, async (DPoP) => {
    const response = await oauth.userInfoRequest(as, client, access_token, { ...options, DPoP })
    return checked(known, response, await oauth.processUserInfoResponse(as, client, subject ?? oauth.skipSubjectCheck, response))
  })
}

export async function introspect(known, { token }) {
  const { as, client, auth, options } = known
  const response = await oauth.introspectionRequest(as, client, auth, token, options)
  return checked(known, response, await oauth.processIntrospectionResponse(as, client, response))
}

export async function revoke({ as, client, auth, options }, { token }) {
  const response = await oauth.revocationRequest(as, client, auth, token, options)
  return oauth.processRevocationResponse(response)
}
