// Usage: node load.cjs PROJECT. Publishes what standard input says, a JSON object a line: number, topic, data.
// Answers each with a line: its number, and an error where the client gave up. PUBSUB_EMULATOR_HOST names the server.
const readline = require('readline');
const { PubSub } = require('@google-cloud/pubsub');

const pubsub = new PubSub({ projectId: process.argv[2] });
const topics = {};

function topic(name) {
  topics[name] ??= pubsub.topic(name, { batching: { maxMessages: 500, maxMilliseconds: 20 } });
  return topics[name];
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const { number, topic: name, data } = JSON.parse(line);
  topic(name).publishMessage({ data: Buffer.from(data), attributes: { chaos_number: String(number) } }).then(
    () => process.stdout.write(`${number}\n`),
    error => setTimeout(() => process.stdout.write(`${number} ${String(error.message).replace(/\s+/g, ' ')}\n`), 200));
}).on('close', () => process.exit(0));
