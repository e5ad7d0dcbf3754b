// Certificates of clients: a `fetch` that shows one, and the proxy at which TLS ends.
import { request as askPlainly } from 'node:http'
import { createServer, request as askByTls } from 'node:https'

/** `fetch`, as far as the libraries use it, by a client with this certificate. */
export function fetchWith(identity) {
  return (url, { method, headers, body }) =>
    new Promise((resolve, reject) => {
      const call = askByTls(url, { ...identity, agent: false, method, headers }, async (answer) => {
        const { statusCode: status, headers } = answer
        resolve(new Response(Buffer.concat(await answer.toArray()), { status, headers: new Headers(Object.entries(headers)) }))
      })
      call.on('error', reject).end(body?.toString())
    })
}

/** A proxy as docs/operate.md asks for: it hands on the client's certificate (RFC 9440), and never a header that came with it.
 * Calls go on from `from` to the port `proxy.upstream`. */
export async function startProxy({ identity, header, from }) {
  const proxy = { upstream: 0 }
  const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: false }, (request, answer) => {
    const { [header]: _forged, ...headers } = request.headers
    const { raw } = request.socket.getPeerCertificate()
    if (raw) headers[header] = `:${raw.toString('base64')}:`
    headers['x-forwarded-for'] = request.socket.remoteAddress
    const { method, url: path } = request
    const onward = askPlainly({ host: '127.0.0.1', port: proxy.upstream, localAddress: from, method, path, headers }, (told) => {
      answer.writeHead(told.statusCode, told.rawHeaders)
      told.pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    request.pipe(onward)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(proxy, { port: server.address().port })
}
