// Puts what the pages use of other people's work into static/vendor/: the modules as one file, the
// icons as one sprite, and the licence of each. What browsers of accounts are worked by goes into
// vendor/wa-js/, under its own.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const from = (...path) => join(here, "node_modules", ...path);
const to = join(here, "../static/vendor");

const ICONS = `
  activity archive archive-restore arrow-down arrow-up ban bell book-open building-2 calendar check check-check
  chevron-down chevron-left chevron-right chevron-up circle-help circle-x clock copy cpu download ellipsis-vertical
  external-link eye eye-off file-text flask-conical gauge globe hourglass image info key keyboard languages
  layout-template link list lock log-out message-circle mic moon music network paperclip pause pencil phone play plug
  plus qr-code refresh-cw rotate-ccw search send server settings smartphone sticker sun-moon trash-2 triangle-alert
  unlink unplug upload user user-plus users video webhook wifi-off x zoom-in zoom-out
`.trim().split(/\s+/);

/** What a package is, and under which terms. The terms whole are in licences.txt. */
function about(name) {
  const { version, license } = JSON.parse(readFileSync(from(name, "package.json"), "utf8"));
  const file = readdirSync(from(name)).find((file) => /^licen[cs]e/i.test(file));
  const terms = file ? readFileSync(from(name, file), "utf8").trim() : "";
  const holder = /^copyright .*$/im.exec(terms)?.[0].replace("[yyyy] [name of copyright owner]", "") ?? "";
  return { line: `${name} ${version}, ${license}. ${holder}`.trim(), terms };
}

function symbol(name) {
  const svg = readFileSync(from("lucide-static/icons", `${name}.svg`), "utf8");
  const shapes = svg.replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[\s\S]*?>/, "").replace(/<\/svg>\s*$/, "");
  return `<symbol id="${name}" viewBox="0 0 24 24">${shapes.replace(/\s*\n\s*/g, "")}</symbol>`;
}

const waJs = join(here, "wa-js");
for (const folder of [to, waJs]) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}
for (const file of ["LICENSE", "dist/wppconnect-wa.js", "dist/wppconnect-wa.js.LICENSE.txt"]) {
  copyFileSync(from("@wppconnect/wa-js", file), join(waJs, basename(file)));
}
const { outputFiles, metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["modules.js"],
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  write: false,
});
const used = Object.keys(metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
const packages = [...new Set(used.filter(Boolean))].sort();
const line = (name) => about(name).line;
writeFileSync(
  join(to, "modules.js"),
  `/*!\n${packages.map(line).join("\n")}\nTerms: licences.txt */\n${outputFiles[0].text}`,
);
writeFileSync(
  join(to, "icons.svg"),
  `<!-- ${line("lucide-static")} Terms: licences.txt -->\n` +
    `<svg xmlns="http://www.w3.org/2000/svg">\n${ICONS.map(symbol).join("\n")}\n</svg>\n`,
);
writeFileSync(
  join(to, "licences.txt"),
  [...packages, "lucide-static"].map(about).map(({ line, terms }) => `${line}\n\n${terms}\n`).join(`\n${"-".repeat(72)}\n\n`),
);
