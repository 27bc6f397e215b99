// A web hook's receiver and a mail server, as small as they may be: they keep what they get.
import http from 'node:http'
import net from 'node:net'

export async function webhookSink() {
  const got = []
  const server = http.createServer((request, response) => {
    let body = ''
    request.on('data', part => { body += part })
    request.on('end', () => {
      got.push({ headers: request.headers, body: JSON.parse(body) })
      response.end()
    })
  })
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  return { got, url: `http://127.0.0.1:${server.address().port}/hook`, close: () => server.closeAllConnections() ??
    server.close() }
}

/** RFC 5321, the commands that a client without extensions needs. */
export async function mailSink() {
  const got = [], sockets = new Set()
  const server = net.createServer(socket => {
    let text = '', inData = false
    const mail = { to: [] }
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write('220 sink\r\n')
    socket.on('data', part => {
      text += part
      for (;;) {
        const end = text.indexOf(inData ? '\r\n.\r\n' : '\r\n')
        if (end < 0) return
        const line = text.slice(0, end)
        text = text.slice(end + (inData ? 5 : 2))
        const command = inData ? '' : line.slice(0, 4).toUpperCase()
        if (inData) got.push({ ...mail, text: line })
        if (command === 'RCPT') mail.to.push(line.slice(8))
        inData = command === 'DATA'
        socket.write({ DATA: '354 go on\r\n', QUIT: '221 bye\r\n' }[command] ?? '250 ok\r\n')
      }
    })
  })
  await new Promise(done => server.listen(0, '127.0.0.1', done))
  return { got, url: `smtp://127.0.0.1:${server.address().port}`, close: () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  } }
}
