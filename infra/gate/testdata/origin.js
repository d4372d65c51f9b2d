// A static file server as Node.js programs write it, which says of each request
// which file it takes it for: by the WHATWG parser, and by the older one.
'use strict';
const fs = require('fs'), http = require('http'), path = require('path'), url = require('url');
const [root, port] = process.argv.slice(2);

function attempt(read) {
  try {
    return path.posix.join(root, path.posix.normalize('/' + decodeURIComponent(read())));
  } catch {
    return '';
  }
}

http.createServer((request, response) => {
  const readings = [
    attempt(() => new URL(request.url, 'http://origin').pathname),
    attempt(() => url.parse(request.url).pathname),
    attempt(() => request.url.split('?')[0]),
  ];
  response.setHeader('X-File', readings.map(encodeURIComponent).join(','));
  fs.readFile(readings[0], (error, content) => {
    response.statusCode = error ? 404 : 200;
    response.end(error ? '' : content);
  });
}).listen(Number(port), '127.0.0.1');
