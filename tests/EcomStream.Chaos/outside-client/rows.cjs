// Usage: node rows.cjs HOST:PORT KEYSPACE FILE. Writes all rows of the two tables to a file, a JSON object a line, values as text.
const fs = require('fs');
const { Client, auth } = require('cassandra-driver');

const [endpoint, keyspace, file] = process.argv.slice(2);
const tables = {
  facts: ['orders_payments_facts', ['order_id', 'customer_id', 'item', 'quantity', 'price', 'shipping_address', 'order_status', 'creation_date',
    'payment_id', 'payment_method', 'card_last_four', 'payment_status', 'payment_datetime']],
  unmatched: ['unmatched_payments', ['order_id', 'payment_key', 'state', 'reason']],
};

async function main() {
  const client = new Client({
    contactPoints: [endpoint], localDataCenter: process.env.CASSANDRA_DATACENTER || 'datacenter1', keyspace,
    authProvider: new auth.PlainTextAuthProvider('admin', 'admin'),
  });
  await client.connect();
  const out = fs.createWriteStream(file);
  for (const [table, [name, columns]] of Object.entries(tables)) {
    for await (const row of client.stream(`SELECT ${columns.join(', ')} FROM ${name}`, [], { prepare: true, autoPage: true, fetchSize: 2000 })) {
      out.write(JSON.stringify({ table, row: columns.map(column => (row[column] === null ? null : String(row[column]))) }) + '\n');
    }
  }
  await new Promise(resolve => out.end(resolve));
  await client.shutdown();
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
