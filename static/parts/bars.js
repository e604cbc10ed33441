import { html } from "../lib/html.js";

/**
 * Bars side by side: `values` from the oldest on, each a number or an array that is stacked. Only
 * a picture: what it says must be beside it in words, or in a table.
 */
export function Bars({ values, height = 40, label }) {
  const stacks = values.map((value) => [].concat(value));
  const most = Math.max(1, ...stacks.map((stack) => stack.reduce((sum, part) => sum + part, 0)));
  const bar = (stack, i) => {
    let under = 0;
    return stack.map((part, layer) => {
      const tall = part ? Math.max(2, (part / most) * 100) : 0;
      const rect = html`<rect class="bar-${layer}" x=${i * 10 + 1} y=${100 - under - tall} width="8" height=${tall} />`;
      under += tall;
      return rect;
    });
  };
  return html`<svg class="bars" viewBox="0 0 ${stacks.length * 10} 100" preserveAspectRatio="none" height=${height} role=${label ? "img" : undefined} aria-label=${label} aria-hidden=${label ? undefined : "true"}>
    ${stacks.map((stack, i) => html`<g key=${i}><rect class="bar-ground" x=${i * 10 + 1} y="98" width="8" height="2" />${bar(stack, i)}</g>`)}
  </svg>`;
}
