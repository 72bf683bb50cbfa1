// Usage: node features.cjs
// What a program asks of a broker beyond the everyday, with the official client, against the server that
// PUBSUB_EMULATOR_HOST names: message ordering, filters, exactly-once delivery, dead letters, snapshots and seek, and
// what a subscription is told to be. One line of JSON.
const { PubSub } = require('@google-cloud/pubsub');

const pubsub = new PubSub({ projectId: 'outside' });

// Listens until so many messages have come; what is done with each is for the caller to say.
function receive(subscription, count, handle) {
  return new Promise((resolve, reject) => {
    const texts = [];
    subscription.on('error', reject);
    subscription.on('message', async message => {
      try {
        if (await handle(message) !== false) {
          texts.push(message.data.toString());
        }
        if (texts.length === count) {
          subscription.removeAllListeners('message');
          await subscription.close();
          resolve(texts);
        }
      } catch (error) {
        reject(error);
      }
    });
  });
}

async function ordering(topic) {
  const [subscription] = await topic.createSubscription('ordered-sub', { enableMessageOrdering: true });
  const publisher = pubsub.topic('features', { messageOrdering: true });
  const texts = Array.from({ length: 200 }, (_, n) => String(n));
  await Promise.all(texts.map(text => publisher.publishMessage({ data: Buffer.from(text), orderingKey: 'key' })));
  const received = await receive(subscription, texts.length, message => message.ack());
  await subscription.delete();
  return JSON.stringify(received) === JSON.stringify(texts);
}

async function filters(topic) {
  const [subscription] = await topic.createSubscription('filtered-sub', { filter: 'attributes.region = "eu"' });
  for (const region of ['us', 'eu', 'asia', 'eu']) {
    await topic.publishMessage({ data: Buffer.from(region), attributes: { region } });
  }
  const received = await receive(subscription, 2, message => message.ack());
  await subscription.delete();
  return received.join();
}

async function exactlyOnce(topic) {
  const [subscription] = await topic.createSubscription('once-sub', { enableExactlyOnceDelivery: true });
  await topic.publishMessage({ data: Buffer.from('once') });
  const answers = [];
  await receive(subscription, 1, async message => answers.push(await message.ackWithResponse()));
  await subscription.delete();
  return answers.join();
}

async function deadLetters(topic) {
  const [dead] = await pubsub.createTopic('dead');
  const [letters] = await dead.createSubscription('dead-sub');
  const [subscription] = await topic.createSubscription('failing-sub', {
    deadLetterPolicy: { deadLetterTopic: dead.name, maxDeliveryAttempts: 5 },
  });
  await topic.publishMessage({ data: Buffer.from('bad') });
  const attempts = [];
  subscription.on('message', message => {
    attempts.push(message.deliveryAttempt);
    message.nack();
  });
  let count;
  await receive(letters, 1, message => {
    count = message.attributes.CloudPubSubDeadLetterSourceDeliveryCount;
    message.ack();
  });
  await subscription.close();
  await subscription.delete();
  return { attempts, count };
}

async function replay(topic) {
  const [subscription] = await topic.createSubscription('replayed-sub', { retainAckedMessages: true });
  const before = new Date(Date.now() - 60_000);
  await topic.publishMessage({ data: Buffer.from('first') });
  const [snapshot] = await subscription.createSnapshot('snap');
  await receive(subscription, 1, message => message.ack());
  const again = [];
  for (const seek of [() => subscription.seek(before), () => subscription.seek('snap')]) {
    await seek();
    again.push(...await receive(pubsub.subscription('replayed-sub'), 1, message => message.ack()));
  }
  const [snapshots] = await pubsub.getSnapshots();
  await snapshot.delete();
  await subscription.delete();
  return { again, snapshots: snapshots.map(s => s.name) };
}

async function metadata(topic) {
  const [subscription] = await topic.createSubscription('told-sub', {
    retryPolicy: { minimumBackoff: { seconds: 5 }, maximumBackoff: { seconds: 60 } },
    messageRetentionDuration: { seconds: 3600 }, labels: { team: 'shop' },
  });
  await subscription.setMetadata({ expirationPolicy: {}, ackDeadlineSeconds: 42 });
  const [told] = await subscription.getMetadata();
  await pubsub.detachSubscription('told-sub');
  const [detached] = await pubsub.subscription('told-sub').detached();
  return {
    ackDeadlineSeconds: told.ackDeadlineSeconds, labels: told.labels, retention: told.messageRetentionDuration.seconds,
    backoff: told.retryPolicy.maximumBackoff.seconds, neverExpires: told.expirationPolicy.ttl === null, detached,
  };
}

async function main() {
  const [topic] = await pubsub.createTopic('features');
  console.log(JSON.stringify({
    inOrder: await ordering(topic), filtered: await filters(topic), exactlyOnce: await exactlyOnce(topic),
    deadLetters: await deadLetters(topic), replay: await replay(topic), metadata: await metadata(topic),
  }));
  await pubsub.close();
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
