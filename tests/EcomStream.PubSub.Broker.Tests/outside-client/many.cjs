// Usage: node many.cjs SUBSCRIPTIONS COUNT
// One client with many subscriptions of one topic, all of them open while it publishes. One line of JSON: how many of the
// messages each subscription got.
const { PubSub } = require('@google-cloud/pubsub');

async function main(subscriptions, count) {
  const pubsub = new PubSub({ projectId: 'outside' });
  const [topic] = await pubsub.createTopic('many');
  const opened = await Promise.all(Array.from({ length: subscriptions }, async (_, n) => {
    const [subscription] = await topic.createSubscription(`many-sub-${n}`, { ackDeadlineSeconds: 60 });
    return subscription;
  }));
  const received = opened.map(() => new Set());
  const complete = Promise.all(opened.map((subscription, n) => new Promise((resolve, reject) => {
    subscription.on('error', reject);
    subscription.on('message', message => {
      received[n].add(message.id);
      message.ack();
      if (received[n].size === count) {
        resolve();
      }
    });
  })));
  const publisher = pubsub.topic('many', { batching: { maxMessages: 10, maxMilliseconds: 10 } });
  const ids = await Promise.all(Array.from({ length: count }, (_, n) => publisher.publishMessage({ data: Buffer.from(`message ${n}`) })));
  await complete;
  await Promise.all(opened.map(subscription => subscription.close())); // sends the acks that are still queued
  console.log(JSON.stringify({ received: received.map(own => ids.filter(id => own.has(id)).length) }));
  await pubsub.close();
}

main(Number(process.argv[2]), Number(process.argv[3])).catch(error => {
  console.error(error);
  process.exit(1);
});
