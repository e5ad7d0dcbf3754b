// ws as its README broadcasts: whoever says something starts an event to all. SESSIONS=1: a cookie must name a known session.
import { WebSocketServer } from 'ws'

const event = Buffer.from(process.env.EVENT)
const known = new Map()
for (let one = 0; one < 20_000; one += 1) known.set(`session-${one}`, { member: one })

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.env.PORT),
  backlog: 4096,
  perMessageDeflate: false,
  verifyClient: ({ req }) => known.has(req.headers.cookie?.split('=')[1]),
})
server.on('connection', (client) => {
  client.on('message', () => {
    for (const one of server.clients) one.send(event, { binary: false })
  })
  client.on('error', () => {})
})
