// What a user would build in Andante's place to accept messages: Fastify checks a request, and BullMQ
// puts it in its account's queue, in Redis alone. REDIS_URL says where that is.
// At its best: a process for each core, answers written by their schema, and commands of requests
// that come together sent to Redis together.
import cluster from "node:cluster";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Queue } from "bullmq";
import Fastify from "fastify";
import { Redis } from "ioredis";

const text = (maxLength) => ({ type: "string", minLength: 1, maxLength });

const schema = {
  body: {
    type: "object",
    required: ["accountId", "to", "message"],
    properties: { accountId: text(64), to: text(64), message: text(4096) },
  },
  response: {
    202: {
      type: "object",
      properties: { success: { type: "boolean" }, queued: { type: "boolean" }, messageId: { type: "string" } },
    },
  },
};

// One connection for all queues: Redis would not let in one for each of ten thousand.
function queues() {
  const connection = new Redis(process.env.REDIS_URL, { enableAutoPipelining: true }).setMaxListeners(0);
  const defaultJobOptions = { removeOnComplete: true, removeOnFail: true };
  const kept = new Map();
  return (account) => {
    if (!kept.has(account)) kept.set(account, new Queue(account, { connection, defaultJobOptions }));
    return kept.get(account);
  };
}

if (cluster.isPrimary) {
  const workers = Array.from({ length: availableParallelism() }, () => cluster.fork());
  const [[{ address, port }]] = await Promise.all(workers.map((worker) => once(worker, "listening")));
  console.log(`The peer listens on http://${address}:${port}`);
} else {
  const queueOf = queues();
  const app = Fastify();
  app.post("/api/messages/send", { schema }, async (request, reply) => {
    const { accountId, to, message } = request.body;
    const job = await queueOf(accountId).add("send", { to, message });
    reply.code(202);
    return { success: true, queued: true, messageId: job.id };
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
}
