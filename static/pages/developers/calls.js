// The first call, in three languages, as text that can be run as it is.

const quoted = (value) => JSON.stringify(value);
const inShell = (text) => text.replaceAll("'", "'\\''");

export const LANGUAGES = { curl: "curl", javascript: "JavaScript", python: "Python" };

const SEND = {
  curl: ({ origin, body, isOpen }) => [
    `curl -X POST ${origin}/api/messages/send \\`,
    ...(isOpen ? [] : ['  -H "Authorization: Bearer $ANDANTE_KEY" \\']),
    "  -H 'Content-Type: application/json' \\",
    `  -d '${inShell(quoted(body))}'`,
  ],
  javascript: ({ origin, body, isOpen }) => [
    `const answer = await fetch(${quoted(`${origin}/api/messages/send`)}, {`,
    '  method: "POST",',
    "  headers: {",
    ...(isOpen ? [] : ["    Authorization: `Bearer ${process.env.ANDANTE_KEY}`,"]),
    '    "Content-Type": "application/json",',
    "  },",
    "  body: JSON.stringify({",
    ...Object.entries(body).map(([name, value]) => `    ${name}: ${quoted(value)},`),
    "  }),",
    "});",
    "console.log(answer.status, await answer.json());",
  ],
  python: ({ origin, body, isOpen }) => [
    ...(isOpen ? [] : ["import os"]),
    "import requests",
    "",
    "answer = requests.post(",
    `    ${quoted(`${origin}/api/messages/send`)},`,
    ...(isOpen ? [] : ['    headers={"Authorization": f"Bearer {os.environ[\'ANDANTE_KEY\']}"},']),
    "    json={",
    ...Object.entries(body).map(([name, value]) => `        ${quoted(name)}: ${quoted(value)},`),
    "    },",
    ")",
    "print(answer.status_code, answer.json())",
  ],
};

const ASK = {
  curl: ({ origin, isOpen }) => [`curl ${origin}/api/messages/msg_…${isOpen ? "" : ' \\\n  -H "Authorization: Bearer $ANDANTE_KEY"'}`],
  javascript: ({ origin, isOpen }) => [
    `const message = await fetch(\`${origin}/api/messages/\${messageId}\`${isOpen ? "" : ", {\n  headers: { Authorization: `Bearer ${process.env.ANDANTE_KEY}` },\n}"});`,
    "console.log((await message.json()).status);",
  ],
  python: ({ origin, isOpen }) => [
    `message = requests.get(f"${origin}/api/messages/{message_id}"${isOpen ? "" : ',\n    headers={"Authorization": f"Bearer {os.environ[\'ANDANTE_KEY\']}"}'})`,
    'print(message.json()["status"])',
  ],
};

/** What sends `text` to `to`; where the server is not open, with the key from the environment. */
export const sendCall = (language, { origin, accountId, to, text, isOpen }) =>
  SEND[language]({ origin, isOpen, body: { accountId, to, message: text } }).join("\n");

/** What asks for the message's status. */
export const askCall = (language, where) => ASK[language](where).join("\n");

export const ANSWER = `{
  "success": true,
  "queued": true,
  "messageId": "msg_…",
  "queuePosition": 1,
  "status": "CONNECTED",
  "estimatedSendAt": "2026-01-01T10:00:00.000Z"
}`;
