// Copies what the pages use of other people's work to static/vendor/: modules as they were
// published, each under its licence, and the icons, picked into one sprite.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const from = (...path) => join(here, "node_modules", ...path);
const to = join(here, "../static/vendor");

const MODULES = {
  "preact": ["preact", "preact/dist/preact.mjs"],
  "preact/hooks": ["preact", "preact/hooks/dist/hooks.mjs"],
  "@preact/signals-core": ["@preact/signals-core", "@preact/signals-core/dist/signals-core.mjs"],
  "@preact/signals": ["@preact/signals", "@preact/signals/dist/signals.mjs"],
  "htm": ["htm", "htm/dist/htm.mjs"],
  "socket.io-client": ["socket.io-client", "socket.io-client/dist/socket.io.esm.min.js"],
};

const ICONS = `
  activity archive archive-restore arrow-down arrow-up ban bell book-open building-2 calendar check check-check
  chevron-down chevron-left chevron-right chevron-up circle-help circle-x clock copy cpu download ellipsis-vertical
  external-link eye eye-off flask-conical gauge globe hourglass info key keyboard languages layout-template link list
  lock log-out message-circle moon network paperclip pause pencil phone play plug plus qr-code refresh-cw rotate-ccw
  search send server settings smartphone sun-moon trash-2 triangle-alert unlink unplug user user-plus users webhook
  wifi-off x
`.trim().split(/\s+/);

const fileOf = (name) => `${name.replace(/^@/, "").replaceAll("/", "-")}.js`;

/** What a package is, and under which terms. The terms whole are in licences.txt. */
function about(name) {
  const { version, license } = JSON.parse(readFileSync(from(name, "package.json"), "utf8"));
  const file = readdirSync(from(name)).find((file) => /^licen[cs]e/i.test(file));
  const terms = file ? readFileSync(from(name, file), "utf8").trim() : "";
  const holder = /^copyright .*$/im.exec(terms)?.[0].replace("[yyyy] [name of copyright owner]", "") ?? "";
  return { line: `${name} ${version}, ${license}. ${holder}`.trim(), terms };
}

function copy(name, [owner, path]) {
  const source = readFileSync(from(path), "utf8")
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n")
    .replace(/(\bfrom\s*|\bimport\s*)(["'])([^"'./][^"']*)\2/g, (whole, word, quote, bare) =>
      bare in MODULES ? `${word}${quote}./${fileOf(bare)}${quote}` : whole);
  writeFileSync(join(to, fileOf(name)), `/*! ${about(owner).line} Terms: licences.txt */\n${source}`);
}

function symbol(name) {
  const svg = readFileSync(from("lucide-static/icons", `${name}.svg`), "utf8");
  const shapes = svg.replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[\s\S]*?>/, "").replace(/<\/svg>\s*$/, "");
  return `<symbol id="${name}" viewBox="0 0 24 24">${shapes.replace(/\s*\n\s*/g, "")}</symbol>`;
}

rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const [name, place] of Object.entries(MODULES)) copy(name, place);
writeFileSync(
  join(to, "icons.svg"),
  `<!-- ${about("lucide-static").line} Terms: licences.txt -->\n` +
    `<svg xmlns="http://www.w3.org/2000/svg">\n${ICONS.map(symbol).join("\n")}\n</svg>\n`,
);
const owners = new Set([...Object.values(MODULES).map(([owner]) => owner), "lucide-static"]);
writeFileSync(
  join(to, "licences.txt"),
  [...owners].map(about).map(({ line, terms }) => `${line}\n\n${terms}\n`).join(`\n${"-".repeat(72)}\n\n`),
);
