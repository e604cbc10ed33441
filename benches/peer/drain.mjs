// How many jobs a second BullMQ gets through that do nothing and leave nothing behind. They are in line
// before the time begins. REDIS_URL says where; the argument, how many.
// At its best: one queue, and 200 jobs of it at a time. A worker for each of 1,000 queues, which would
// keep accounts apart as Andante does, gets through about half of that, and a second process adds
// nothing, since Redis is what is waited for.
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const jobs = Number(process.argv[2]);
const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const queue = new Queue("send", { connection, defaultJobOptions: { removeOnComplete: true, removeOnFail: true } });
const job = { name: "send", data: { to: "77777777777", message: "Your appointment is tomorrow at 9:30" } };

for (let added = 0; added < jobs; added += 1_000) {
  await queue.addBulk(Array(Math.min(1_000, jobs - added)).fill(job));
}

const began = performance.now();
let done = 0;
const worker = new Worker("send", async () => {}, { connection, concurrency: 200 });
worker.on("completed", () => {
  done += 1;
  if (done < jobs) return;
  console.log(Math.round((jobs * 1_000) / (performance.now() - began)));
  process.exit();
});
