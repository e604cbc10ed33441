// Clients in the three modes that stay through a restart of the server. Arguments: the server and
// a token. Says "connected" when all are, and ends once each has been cut off, has come back by
// itself, and has heard of something since.
import { io } from "socket.io-client";

const [API, token] = process.argv.slice(2);
const modes = [["websocket"], ["polling"], undefined];
const clients = modes.map((transports) => {
  const socket = io(API, {
    auth: { token },
    forceNew: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 300,
    ...(transports && { transports }),
  });
  let times = 0;
  const first = new Promise((done) => socket.on("connect", () => ++times === 1 && done()));
  const back = new Promise((done) => socket.onAny(() => times > 1 && done()));
  return { first, back };
});
await Promise.all(clients.map(({ first }) => first));
console.log("connected");
await Promise.all(clients.map(({ back }) => back));
process.exit(0);
