// SPDX-License-Identifier: Apache-2.0
// Sends the lookups of a JSON file to a daemon through Node's gRPC stack and prints the answers as JSON:
//   node client.js PROTO ADDRESS < calls.json
// Each call is a LookupRequest in proto-loader's JSON form; each answer {status, message} or {results}, the
// values as base64 of their little-endian bytes.
'use strict';
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [proto, address] = process.argv.slice(2);
const definition = loader.loadSync(proto, {longs: String, enums: Number, defaults: true, arrays: true});
const {Embedding} = grpc.loadPackageDefinition(definition).embd.v1;
const client = new Embedding(address, grpc.credentials.createInsecure(),
                             {'grpc.max_receive_message_length': 64 << 20});

const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');

function result(r) {
  const values = r.values.length ? base64(Float32Array.from(r.values)) : r.packed.toString('base64');
  return {dim: r.dim, rows: r.rows, values, version: r.version, missing: r.missing};
}

async function main() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const answers = await Promise.all(JSON.parse(text).map((call) => new Promise((resolve) => {
    client.Lookup(call, {deadline: Date.now() + 20000}, (error, reply) => resolve(
        error ? {status: error.code, message: error.details} :
                {status: 0, lsn: reply.lsn, results: reply.results.map(result)}));
  })));
  process.stdout.write(JSON.stringify(answers));
  client.close();
}

main();
