// Usage: node shop.cjs publish ORDERS PAYMENTS [PROJECT] | read SUBSCRIPTION COUNT [PROJECT]
// The server is the one that PUBSUB_EMULATOR_HOST names, as for any program that uses this client.
const { PubSub } = require('@google-cloud/pubsub');

const [command, ...rest] = process.argv.slice(2);
const pubsub = new PubSub({ projectId: rest[2] || 'ecomstream' });

async function publish(orders, payments) {
  const topics = {};
  for (const name of ['orders_data', 'payments_data']) {
    const topic = pubsub.topic(name, { batching: { maxMessages: 500, maxMilliseconds: 20 } });
    const [exists] = await topic.exists();
    if (!exists) {
      await topic.create();
    }
    topics[name] = topic;
  }
  let published = 0;
  let sent = [];
  for (let id = 1; id <= Math.max(orders, payments); id++) {
    if (id <= orders) {
      sent.push(topics.orders_data.publishMessage({
        json: {
          order_id: id, customer_id: 100 + (id % 900), item: 'Laptop', quantity: 1 + (id % 5), price: 99.5,
          shipping_address: `${id} Main St, Köln`, order_status: 'Shipped', creation_date: '2024-01-21',
        },
        attributes: { origin: 'outside' },
      }));
    }
    if (id <= payments) {
      sent.push(topics.payments_data.publishMessage({
        json: {
          payment_id: id + 1000, order_id: String(id), payment_method: 'PayPal', card_last_four: '1234',
          payment_status: 'Completed', payment_datetime: '2024-01-21T45:01:30Z', unknown_field: { nested: [1, 2] },
        },
      }));
    }
    if (sent.length >= 20000) {
      published += (await Promise.all(sent)).length;
      sent = [];
    }
  }
  published += (await Promise.all(sent)).length;
  console.log(JSON.stringify({ published }));
}

function read(name, count) {
  return new Promise((resolve, reject) => {
    const subscription = pubsub.subscription(name);
    let seen = 0;
    subscription.on('error', reject);
    subscription.on('message', message => {
      message.ack();
      console.log(JSON.stringify({ data: JSON.parse(message.data.toString()), attributes: message.attributes }));
      if (++seen === count) {
        // Closing sends the acks that are still queued.
        subscription.close().then(resolve, reject);
      }
    });
  });
}

const work = command === 'publish' ? publish(Number(rest[0]), Number(rest[1])) : read(rest[0], Number(rest[1]));
work.then(() => pubsub.close()).catch(error => {
  console.error(error);
  process.exitCode = 1;
});
