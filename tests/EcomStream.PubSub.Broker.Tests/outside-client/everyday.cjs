// Usage: node everyday.cjs COUNT
// What a program does every day with the official client, against the server that PUBSUB_EMULATOR_HOST names: make a
// topic and a subscription, publish with attributes, receive by a stream, ack; nack the first once. One line of JSON.
const { PubSub } = require('@google-cloud/pubsub');

async function main(count) {
  const pubsub = new PubSub({ projectId: 'outside' });
  const [topic] = await pubsub.createTopic('everyday');
  const [subscription] = await topic.createSubscription('everyday-sub', { ackDeadlineSeconds: 20 });
  const publisher = pubsub.topic('everyday', { batching: { maxMessages: 500, maxMilliseconds: 10 } });
  const ids = await Promise.all(Array.from({ length: count }, (_, n) => publisher.publishMessage({
    data: Buffer.from(`message ${n}`), attributes: { n: String(n), origin: 'outside' },
  })));

  const received = new Map();
  let nacked = null;
  await new Promise((resolve, reject) => {
    subscription.on('error', reject);
    subscription.on('message', message => {
      if (nacked === null) {
        nacked = message.id;
        message.nack();
        return;
      }
      received.set(message.id, message.data.toString() === `message ${message.attributes.n}` && message.attributes.origin === 'outside');
      message.ack();
      if (received.size === count) {
        resolve();
      }
    });
  });
  await subscription.close(); // sends the acks that are still queued

  const [topics] = await pubsub.getTopics();
  const [subscriptions] = await topic.getSubscriptions();
  const [metadata] = await subscription.setMetadata({ ackDeadlineSeconds: 30 });
  console.log(JSON.stringify({
    published: new Set(ids).size,
    right: ids.filter(id => received.get(id)).length,
    nackedCameBack: received.has(nacked),
    topics: topics.map(t => t.name),
    subscriptions: subscriptions.map(s => s.name),
    ackDeadlineSeconds: metadata.ackDeadlineSeconds,
  }));
  await pubsub.close();
}

main(Number(process.argv[2])).catch(error => {
  console.error(error);
  process.exit(1);
});
