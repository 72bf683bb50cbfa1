// A push subscription, made with the official client, and its endpoint as the documentation writes one
// (https://cloud.google.com/pubsub/docs/push): an HTTP server that decodes the wrapped message and answers 204, after it
// has refused the first one once.
const http = require('node:http');
const { PubSub } = require('@google-cloud/pubsub');

async function main() {
  const received = [];
  let refused = false;
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', chunk => { body += chunk; });
    request.on('end', () => {
      if (!refused) {
        refused = true;
        response.writeHead(503).end();
        return;
      }

      const { message, subscription } = JSON.parse(body);
      received.push({
        text: Buffer.from(message.data, 'base64').toString(),
        color: message.attributes?.color,
        id: message.messageId,
        subscription,
        bearer: (request.headers.authorization ?? '').startsWith('Bearer '),
      });
      response.writeHead(204).end();
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));

  const pubsub = new PubSub({ projectId: 'outside' });
  const [topic] = await pubsub.createTopic('pushed');
  const [subscription] = await topic.createSubscription('pushed-sub', {
    pushEndpoint: `http://127.0.0.1:${server.address().port}/push`,
    oidcToken: { serviceAccountEmail: 'pusher@shop.example', audience: 'shop' },
  });
  const id = await topic.publishMessage({ data: Buffer.from('hello'), attributes: { color: 'red' } });
  while (received.length === 0) {
    await new Promise(resolve => setTimeout(resolve, 20));
  }

  await subscription.modifyPushConfig({ pushEndpoint: '' });
  const [metadata] = await subscription.getMetadata();
  console.log(JSON.stringify({ id, received, endpointAfterwards: metadata.pushConfig.pushEndpoint }));
  server.close();
  await pubsub.close();
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
